"""Recognise the papers' data sets."""

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
from mner_keras.papers.published import PublishedTable

# The two distributions of Twitter-2015, by `_fingerprint`.
_TWITTER = {
    "941c2f3f550a2a76bbcf77d0e8556749f132b68440c0c733c8a8694b1311793a": (
        "original",
        "Twitter-2015, the original distribution",
    ),
    "4643591c8905d1893ca33227b0c56823a683884564dd7a286f607ceb5f9a0ea2": (
        "umt",
        "Twitter-2015 as cleaned later (the distribution of UMT), with 30 tags of the original changed",
    ),
}
# HSN's footnote 1 names the repository; its README links the real-world set, on Baidu, with an access code.
_REAL_WORLD = (
    "Twitter-2015 and as many plain-text tweets as HSN's real-world set adds to it; whether they are HSN's own "
    "(published at https://github.com/T1aNS1R/Real-world-multimodal-NER-dataset) is not checked"
)
# What the papers call the types of the data.
_PAPER_TYPES = {"OTHER": "MISC"}


@dataclasses.dataclass(frozen=True)
class DataIdentity:
    """A data set as the papers' tables see it."""

    name: str  # "original" or "umt" for Twitter-2015, "real-world" for a set built like HSN's, or "other"
    description: str  # the same for people
    types: dict[
        str, str
    ]  # what the papers call each entity type of the data; the most frequent of the test split first

    def comparable(self, table: PublishedTable) -> bool:
        """Whether a difference from the table's numbers has a meaning."""
        twitter, real_world = ("original", "umt"), ("real-world",)
        return self.name in {"real-world": real_world, "twitter2015": twitter}.get(table.data, twitter + real_world)


def identify_dataset(data: Dataset) -> DataIdentity:
    """Recognise a data set by the words and tags of its posts, whatever their order and file format."""
    counts = Counter(kind for post in data["test"] for kind, _, _ in entity_spans(post.tags or ()))
    tagged = {tag[2:] for split in data for post in data[split] for tag in post.tags or () if tag != "O"}
    kinds = sorted(tagged, key=lambda kind: (-counts[kind], kind))
    # A set that has both names keeps both.
    types = {kind: kind if _PAPER_TYPES.get(kind) in tagged else _PAPER_TYPES.get(kind, kind) for kind in kinds}
    found = _TWITTER.get(_fingerprint(data[split] for split in SPLITS))
    if found is not None:
        return DataIdentity(*found, types)
    pictured = [[post for post in data[split] if post.image_id is not None] for split in SPLITS]
    added = tuple(len(data[split]) - len(posts) for split, posts in zip(SPLITS, pictured, strict=True))
    if added == SIZES and _fingerprint(pictured) in _TWITTER:
        return DataIdentity("real-world", _REAL_WORLD, types)
    if data.name == "sample":
        return DataIdentity("other", "the sample corpus, which is invented: a demonstration, not a result", types)
    return DataIdentity("other", f"{data.name}, which is none of the papers' data sets", types)


def _fingerprint(splits: Iterable[Iterable[Post]]) -> str:
    """Return the SHA-256 of the tokens and tags of some splits, in hexadecimal, whatever the order of the posts."""
    posts = [sorted(json.dumps([post.tokens, post.tags]) for post in split) for split in splits]
    return hashlib.sha256(json.dumps(posts).encode()).hexdigest()
