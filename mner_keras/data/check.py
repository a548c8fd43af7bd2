"""Statistics and checks of a data set."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

from mner_keras.data.batches import check_pictures
from mner_keras.data.datasets import SPLITS, Dataset
from mner_keras.data.entities import check_iob2, entity_spans, orphan_positions
from mner_keras.data.post import Post
from mner_keras.vision.pictures import find_pictures


def check_dataset(data: Dataset) -> dict[str, Any]:
    """Count posts, pictures, entities by type (strict IOB2), orphan I- tags, and what splits share; hash the files.

    Raises:
        InputError: a missing or malformed file, tags in IOB1, two pictures with one id, or a store in the folder that
            contains none of a split's pictures.
    """
    posts = {split: data[split] for split in SPLITS}
    for split in SPLITS:
        check_iob2((post.tags or () for post in posts[split]), data.path(split))
        for kind in ("regions", "objects"):
            check_pictures(posts[split], data.features(kind), f"the {split} posts")
    if data.pictures() is not None:
        find_pictures([data.pictures()])
    return {
        "name": data.name,
        "splits": {split: _count(posts[split]) for split in SPLITS},
        "total": _count([post for split in SPLITS for post in posts[split]]),
        "shared": {
            f"{a} and {b}": {
                "posts": len({p.tokens for p in posts[a]} & {p.tokens for p in posts[b]}),
                "pictures": len(_pictures(posts[a]) & _pictures(posts[b])),
            }
            for a, b in itertools.combinations(SPLITS, 2)
        },
        "sha256": data.hashes(),
    }


def _count(posts: list[Post]) -> dict[str, Any]:
    spans = [entity_spans(post.tags or ()) for post in posts]
    types = Counter(kind for found in spans for kind, _, _ in found)
    return {
        "posts": len(posts),
        "tokens": sum(len(post) for post in posts),
        "pictures": len(_pictures(posts)),
        "without_picture": sum(post.image_id is None for post in posts),
        "untagged": sum(post.tags is None for post in posts),
        "without_entity": sum(not found for found in spans),
        "entities": sum(types.values()),
        "types": dict(sorted(types.items())),
        "orphans": sum(len(orphan_positions(post.tags or ())) for post in posts),
    }


def _pictures(posts: list[Post]) -> set[str]:
    return {post.image_id for post in posts if post.image_id is not None}
