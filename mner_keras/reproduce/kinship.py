"""What a data set has to do with those of the papers."""

from __future__ import annotations

import dataclasses
from collections import Counter

from mner_keras.data.datasets import SPLITS, Dataset
from mner_keras.data.entities import entity_spans
from mner_keras.reproduce.table import PublishedTable

TWITTER_POSTS = (4000, 1000, 3257)
REAL_WORLD_POSTS = (7000, 2000, 5257)
# Entities of the two distributions of Twitter-2015, strict IOB2.
_DISTRIBUTIONS = {
    (6176, 1546, 5078): ("original", "Twitter-2015, the original distribution"),
    (6166, 1541, 5072): (
        "umt",
        "Twitter-2015 as cleaned later (the distribution of UMT): 30 tags of the original are changed there",
    ),
}
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
    """Tell a data set by its numbers of posts and entities."""
    posts = tuple(len(data[split]) for split in SPLITS)
    entities = tuple(sum(len(entity_spans(post.tags or ())) for post in data[split]) for split in SPLITS)
    if posts == TWITTER_POSTS and entities in _DISTRIBUTIONS:
        return Kinship(*_DISTRIBUTIONS[entities])
    if posts == REAL_WORLD_POSTS:
        return Kinship(
            "real-world",
            "a set made like HSN's real-world one, with other plain-text tweets: HSN's own were not given out",
        )
    if data.name == "sample":
        return Kinship("other", "the sample corpus, which is made up: this shows the machinery, not the papers' result")
    return Kinship("other", f"{data.name}, which is none of the papers' data sets")


def paper_types(data: Dataset) -> dict[str, str]:
    """What the papers call each entity type of the data; where the data have that name too, both stay."""
    types = {tag[2:] for split in data for post in data[split] for tag in post.tags or () if tag != "O"}
    return {kind: kind if _PAPER_TYPES.get(kind) in types else _PAPER_TYPES.get(kind, kind) for kind in types}


def entity_types(data: Dataset) -> tuple[str, ...]:
    """The entity types of a data set's test split, the most frequent first."""
    found = Counter(kind for post in data["test"] for kind, _, _ in entity_spans(post.tags or ()))
    return tuple(sorted(found, key=lambda kind: (-found[kind], kind)))
