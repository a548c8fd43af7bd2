"""What a data set has to do with those of the papers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable

from mner_keras.data.datasets import SPLITS, Dataset
from mner_keras.data.entities import entity_spans
from mner_keras.data.post import Post
from mner_keras.data.realworld import SIZES
from mner_keras.reproduce.table import PublishedTable

# The two distributions of Twitter-2015, by `fingerprint`.
_DISTRIBUTIONS = {
    "941c2f3f550a2a76bbcf77d0e8556749f132b68440c0c733c8a8694b1311793a": (
        "original",
        "Twitter-2015, the original distribution",
    ),
    "4643591c8905d1893ca33227b0c56823a683884564dd7a286f607ceb5f9a0ea2": (
        "umt",
        "Twitter-2015 as cleaned later (the distribution of UMT): 30 tags of the original are changed there",
    ),
}
REAL_WORLD_SOURCE = "https://github.com/T1aNS1R/Real-world-multimodal-NER-dataset"
"""The repository that HSN's footnote 1 names. Its README links the real-world set, on Baidu, with an access code."""
# What the papers call the types of the data.
_PAPER_TYPES = {"OTHER": "MISC"}


@dataclasses.dataclass(frozen=True)
class Kinship:
    """A data set as the papers' tables see it.

    Args:
        name: `"original"` or `"umt"` of Twitter-2015, `"real-world"`, or `"other"`.
        description: the same for a person.
    """

    name: str
    description: str

    def comparable(self, table: PublishedTable) -> bool:
        """Whether numbers on this data may stand beside the table's."""
        if table.data == "real-world":
            return self.name == "real-world"
        return (
            self.name in ("original", "umt", "real-world") if table.data is None else self.name in ("original", "umt")
        )


def kinship(data: Dataset) -> Kinship:
    """Recognise a data set by the words and tags of its posts, whatever their order and file format."""
    found = _DISTRIBUTIONS.get(fingerprint(data[split] for split in SPLITS))
    if found is not None:
        return Kinship(*found)
    pictured = [[post for post in data[split] if post.image_id is not None] for split in SPLITS]
    added = tuple(len(data[split]) - len(posts) for split, posts in zip(SPLITS, pictured, strict=True))
    if added == SIZES and fingerprint(pictured) in _DISTRIBUTIONS:
        return Kinship(
            "real-world",
            "Twitter-2015 and as many plain-text tweets as HSN's real-world set adds to it; whether they are HSN's own "
            f"(published at {REAL_WORLD_SOURCE}) is not checked",
        )
    if data.name == "sample":
        return Kinship("other", "the sample corpus, which is made up: this shows the machinery, not the papers' result")
    return Kinship("other", f"{data.name}, which is none of the papers' data sets")


def fingerprint(splits: Iterable[Iterable[Post]]) -> str:
    """The SHA-256 of the tokens and tags of some splits, in hexadecimal; the order within a split does not count."""
    posts = [sorted(json.dumps([post.tokens, post.tags]) for post in split) for split in splits]
    return hashlib.sha256(json.dumps(posts).encode()).hexdigest()


def paper_types(data: Dataset) -> dict[str, str]:
    """What the papers call each entity type of the data; where the data have that name too, both stay."""
    types = {tag[2:] for split in data for post in data[split] for tag in post.tags or () if tag != "O"}
    return {kind: kind if _PAPER_TYPES.get(kind) in types else _PAPER_TYPES.get(kind, kind) for kind in types}


def entity_types(data: Dataset) -> tuple[str, ...]:
    """The entity types of a data set's test split, the most frequent first."""
    found = Counter(kind for post in data["test"] for kind, _, _ in entity_spans(post.tags or ()))
    return tuple(sorted(found, key=lambda kind: (-found[kind], kind)))
