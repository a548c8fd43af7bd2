"""Which posts a figure shows: those that are named, or those that show best what it is about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mner_keras.data.entities import entity_spans
from mner_keras.data.post import Post
from mner_keras.errors import InputError, did_you_mean


def find_posts(names: Sequence[str], posts: Sequence[Post], split: str) -> list[int]:
    """The positions of posts by their id, by their picture's id, or as `SPLIT:NUMBER`, counted from 1.

    Raises:
        InputError: no such post; the nearest known one is suggested.
    """
    by_name = {f"{split}:{number + 1}": number for number in range(len(posts))}
    for key in ("image_id", "id"):  # an id comes before a picture's
        own = {getattr(post, key): number for number, post in reversed(list(enumerate(posts)))}
        own.pop(None, None)
        by_name.update(own)
    found = []
    for name in names:
        if name not in by_name:
            raise InputError(
                f"expected a post of {split} (its id, its picture's, or {split}:1 to {split}:{len(posts)}), found "
                f"{name!r}.{did_you_mean(name, by_name)}"
            )
        found.append(by_name[name])
    return found


def aligned_posts(posts: Sequence[Post], tags: Sequence[Sequence[str]], gates: Sequence[np.ndarray | None]) -> list:
    """HSN's figure 5: posts with a picture and every entity found, those first whose names trust the picture most."""
    return _ranked(posts, tags, gates, right=True, sign=1)


def confusing_posts(posts: Sequence[Post], tags: Sequence[Sequence[str]], gates: Sequence[np.ndarray | None]) -> list:
    """HSN's figure 6: posts with a picture, those first whose names trust the text most."""
    return _ranked(posts, tags, gates, right=False, sign=-1)


def mapped_posts(posts: Sequence[Post], tags: Sequence[Sequence[str]], maps: Sequence[np.ndarray]) -> list[int]:
    """AGBAN's figure 6: posts with two objects or more and every entity found, the most uneven attention first."""
    ranked = []
    for number, (post, found, scores) in enumerate(zip(posts, tags, maps, strict=True)):
        spans = entity_spans(found)
        if scores.shape[1] < 2 or not spans:
            continue
        rows = np.concatenate([scores[start:end] for _, start, end in spans])
        wrong = post.tags is not None and entity_spans(post.tags) != spans
        # The names attend to something else than the other words do.
        ranked.append((wrong, -float(np.abs(rows.mean(axis=0) - scores.mean(axis=0)).max()), number))
    return [number for _, _, number in sorted(ranked)]


def differing_posts(posts: Sequence[Post], ours: Sequence[Sequence[str]], others: Sequence[Sequence[str]]) -> list[int]:
    """AGBAN's figure 8: posts that our model gets right and the other does not, those with a picture first."""
    return _differing(posts, ours, others, right=True)


def failing_posts(posts: Sequence[Post], ours: Sequence[Sequence[str]], others: Sequence[Sequence[str]]) -> list[int]:
    """AGBAN's figure 9: posts that our model gets wrong and the other differently, those with a picture first."""
    return _differing(posts, ours, others, right=False)


def _differing(
    posts: Sequence[Post], ours: Sequence[Sequence[str]], others: Sequence[Sequence[str]], right: bool
) -> list[int]:
    numbers = [
        number
        for number, (post, mine, other) in enumerate(zip(posts, ours, others, strict=True))
        if post.tags is not None
        and entity_spans(mine) != entity_spans(other)
        and (entity_spans(mine) == entity_spans(post.tags)) == right
    ]
    return sorted(numbers, key=lambda number: posts[number].image_id is None)


def _ranked(
    posts: Sequence[Post],
    tags: Sequence[Sequence[str]],
    gates: Sequence[np.ndarray | None],
    right: bool,
    sign: int,
) -> list[int]:
    ranked = []
    for number, (post, found, gate) in enumerate(zip(posts, tags, gates, strict=True)):
        spans = entity_spans(found)
        if post.image_id is None or not spans:
            continue
        wrong = post.tags is not None and entity_spans(post.tags) != spans
        if right and wrong:
            continue
        trust = 0.0 if gate is None else float(np.mean([gate[start:end].mean() for _, start, end in spans]))
        ranked.append((sign * trust, number))
    return [number for _, number in sorted(ranked)]
