"""The papers' figures by number, drawn from finished runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mner_keras.data.post import entity_spans
from mner_keras.errors import InputError, did_you_mean
from mner_keras.run.run import Run
from mner_keras.views.case import PostCase, attention_of, make_cases
from mner_keras.views.charts import loss_curves_figure
from mner_keras.views.figures import attention_map_figure, case_study_figure, hsn_attention_figure
from mner_keras.views.modality_space import modality_space_figure, sample_features

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mner_keras.data.post import Post

Rank = Callable[["Post", Sequence[str], Any], Any]
"""Of a post, its tags, and the model's explanation or the other run's tags: a sort key, or `None` to leave it out."""
_SEARCHED = 600  # posts that are explained to choose from


@dataclasses.dataclass(frozen=True)
class PaperFigure:
    """What a figure is drawn of."""

    classes: tuple[str, ...] = ()  # of the models; empty for all
    compares: bool = False  # whether it shows other runs, too
    rank: Rank | None = None  # which posts show best what it is about
    count: int = 2  # posts


def draw_figure(
    paper: str,
    number: int,
    run: Run,
    others: Sequence[Run] = (),
    names: Sequence[str] = (),
    split: str = "test",
    pictures: Mapping[str, Path] | None = None,
    count: int = 0,
    seed: int = 1,
) -> Figure:
    """Draw a paper's figure.

    Args:
        paper: `"hsn"` or `"agban"`.
        number: 5 or 6; for AGBAN also 7, 8 and 9.
        run: the run to show.
        others: runs to compare with, for AGBAN's figures 5, 8 and 9.
        names: posts by name (`find_posts`); empty for those that show best what the figure is about.
        split: `train`, `dev` or `test`.
        pictures: paths by image id.
        count: how many posts to choose; 0 for as many as the paper shows.
        seed: random seed of AGBAN's figure 5.

    Raises:
        InputError: an unknown figure or post, a run of another model, or a missing or unsuitable run to compare with.
    """
    figure = check_figure(paper, number)
    name = f"{paper} {number}"
    if figure.compares and not others:
        raise InputError(f"figure {name} compares two runs: --other names the second")
    if others and not figure.compares:
        raise InputError(f"figure {name} shows one run: --other is not used")
    for one in (run, *others):
        if figure.classes and one.class_name not in figure.classes:
            expected = " or ".join(figure.classes)
            raise InputError(f"figure {name} needs a run of {expected}, found {one.name}", one.path)
    if name == "agban 5":
        return _modality_space(run, others, split, seed)
    if name == "agban 7":
        history = run.history
        batches = (1.0, 1.0) if run.config is None else run.posts_per_batch()
        best = None if run.config is None else run.metrics.get("best_epoch")
        return loss_curves_figure(history, f"{run.name} on {run.dataset.name}", batches, best)
    if name == "agban 6" and "attention" not in run.model.output:
        raise InputError(f"figure agban 6 needs attention to objects, and {run.name} has none", run.path)
    for other in others:
        if other.dataset.hashes() != run.dataset.hashes():
            raise InputError(
                f"expected a run of the same posts as {run.path} ({run.dataset.folder}), found one of "
                f"{other.dataset.folder}; --data sets the posts of all",
                other.path,
            )
    posts = run.dataset[split]
    if names:
        chosen = find_posts(names, posts, split)
    else:
        seen: Sequence[Any] = others[0].tags(split) if others else run.model.explain(posts[:_SEARCHED], run.store)
        chosen = choose_posts(figure.rank, posts, run.tags(split), seen)[: count or figure.count]
    if not chosen:
        raise InputError(f"no post of {split} shows what this figure is about; --posts names some")
    cases = _make_cases(run, others, chosen, split, pictures)
    if paper == "hsn":
        return hsn_attention_figure(cases)
    return attention_map_figure(cases) if number == 6 else case_study_figure(cases)


def check_figure(paper: str, number: int) -> PaperFigure:
    """Return a figure of `FIGURES`; raises `InputError` for an unknown one."""
    if (paper, number) not in FIGURES:
        known = ", ".join(f"{one} {figure}" for one, figure in FIGURES)
        raise InputError(f"expected a figure ({known}), found {paper} {number}")
    return FIGURES[paper, number]


def find_posts(names: Sequence[str], posts: Sequence[Post], split: str) -> list[int]:
    """Return the positions of posts by their id, by their picture's id, or as `SPLIT:NUMBER`, counted from 1.

    Raises:
        InputError: there is no such post; the nearest name is suggested.
    """
    by_name = {f"{split}:{number + 1}": number for number in range(len(posts))}
    for key in ("image_id", "id"):  # an id takes precedence over a picture's
        own = {getattr(post, key): number for number, post in reversed(list(enumerate(posts)))}
        own.pop(None, None)
        by_name.update(own)
    for name in names:
        if name not in by_name:
            raise InputError(
                f"expected a post of {split} (its id, its picture's, or {split}:1 to {split}:{len(posts)}), found "
                f"{name!r}.{did_you_mean(name, by_name)}"
            )
    return [by_name[name] for name in names]


def choose_posts(rank: Rank, posts: Sequence[Post], tags: Sequence[Sequence[str]], seen: Sequence[Any]) -> list[int]:
    """Return the positions of the posts that a rank keeps, the smallest first.

    Args:
        rank: that of a figure.
        posts: the posts.
        tags: the run's tags for each.
        seen: the model's explanation or the other run's tags for each; posts beyond its length are left out.
    """
    ranks = [(rank(*one), number) for number, one in enumerate(zip(posts, tags, seen, strict=False))]
    return [number for _, number in sorted(one for one in ranks if one[0] is not None)]


def _is_wrong(post: Post, tags: Sequence[str]) -> bool:
    return post.tags is not None and entity_spans(post.tags) != entity_spans(tags)


def _trust(sign: int, wrong: bool, post: Post, tags: Sequence[str], explanation: Mapping[str, Any]) -> float | None:
    """HSN's figures 5 and 6: posts with a picture, ordered by gamma of their entities."""
    spans, gamma = entity_spans(tags), explanation.get("gamma")
    if post.image_id is None or not spans or (_is_wrong(post, tags) and not wrong):
        return None
    return 0.0 if gamma is None else sign * float(np.mean([gamma[start:end].mean() for _, start, end in spans]))


def _uneven(post: Post, tags: Sequence[str], explanation: Mapping[str, Any]) -> tuple[bool, float] | None:
    """AGBAN's figure 6: posts with two objects or more whose entities attend to other objects than the other words."""
    scores, spans = attention_of(explanation), entity_spans(tags)
    if scores.shape[1] < 2 or not spans:
        return None
    # Only the division of a token's attention among the objects counts, not its amount.
    part = scores / np.maximum(scores.sum(axis=1, keepdims=True), 1e-12)
    rows = np.concatenate([part[start:end] for _, start, end in spans])
    return _is_wrong(post, tags), -float(np.abs(rows.mean(axis=0) - part.mean(axis=0)).max())


def _differing(wrong: bool, post: Post, tags: Sequence[str], other: Sequence[str]) -> bool | None:
    """AGBAN's figures 8 and 9: posts that the run gets right, or wrong, and the other run differently."""
    differs = entity_spans(tags) != entity_spans(other)
    shown = post.tags is not None and differs and _is_wrong(post, tags) == wrong
    return post.image_id is None if shown else None


_AGBAN = ("AGBAN", "ReleasedAGBAN")
FIGURES = {
    ("hsn", 5): PaperFigure(("HSN",), rank=partial(_trust, 1, False)),
    ("hsn", 6): PaperFigure(("HSN",), rank=partial(_trust, -1, True)),
    ("agban", 5): PaperFigure(_AGBAN, compares=True),
    ("agban", 6): PaperFigure(_AGBAN, rank=_uneven),
    ("agban", 7): PaperFigure(_AGBAN),
    ("agban", 8): PaperFigure(compares=True, rank=partial(_differing, False), count=4),
    ("agban", 9): PaperFigure(compares=True, rank=partial(_differing, True)),
}
"""The figures by paper and number."""


def _make_cases(run: Run, others: Sequence[Run], chosen: Sequence[int], split: str, pictures: Any) -> list[PostCase]:
    posts, predicted = run.dataset[split], {}
    for one in (*others, run):
        name = one.name if others else "predicted"
        name = name if name not in predicted else f"{name} ({one.path.name})"
        predicted[name] = [one.tags(split)[number] for number in chosen]
    return make_cases(run.model, [posts[number] for number in chosen], run.store, pictures, predicted)


def _modality_space(run: Run, others: Sequence[Run], split: str, seed: int) -> Figure:
    if len(others) > 1:
        raise InputError(f"figure agban 5 compares two runs, found {1 + len(others)}")
    samples = {}
    for one in (*others, run):
        adversarial = getattr(one.model, "adversarial", True)
        name = f"{one.name}, {'with' if adversarial else 'without'} adversarial training"
        name = name if name not in samples else f"{name} ({one.path.name})"
        samples[name] = sample_features(one.model, one.dataset[split], one.store, seed=seed)
    return modality_space_figure(samples, seed=seed)
