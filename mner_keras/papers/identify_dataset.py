"""Recognise the papers' data sets."""

from __future__ import annotations

import dataclasses

from mner_keras.data.datasets import SPLITS, Dataset
from mner_keras.data.entities import entity_spans
from mner_keras.papers.published import PublishedTable

# Posts and entities (strict IOB2) of train, dev and test.
_KNOWN = {
    ((4000, 1000, 3257), (6176, 1546, 5078)): ("original", "Twitter-2015, the original distribution"),
    ((4000, 1000, 3257), (6166, 1541, 5072)): (
        "umt",
        "Twitter-2015 as cleaned later (the distribution of UMT), with 30 tags of the original changed",
    ),
    ((7000, 2000, 5257), (11876, 3418, 9791)): ("real-world", "HSN's real-world set"),
}
_MADE_LIKE = (
    "a set built like HSN's real-world one, with other tweets; HSN's own is linked from the repository in the paper's "
    "first footnote"
)
# What the papers call the types of the data.
_PAPER_TYPES = {"OTHER": "MISC"}


@dataclasses.dataclass(frozen=True)
class DataIdentity:
    """A data set as the papers' tables see it.

    Args:
        name: `"original"` or `"umt"` for Twitter-2015, `"real-world"`, `"like-real-world"`, or `"other"`.
        description: the same for people.
        types: what the papers call each entity type of the data; the types of the test split are first, the most
            frequent one first.
    """

    name: str
    description: str
    types: dict[str, str]

    def comparable(self, table: PublishedTable) -> bool:
        """Whether a difference from the table's numbers has a meaning."""
        twitter, real_world = ("original", "umt"), ("real-world", "like-real-world")
        return self.name in {"real-world": real_world, "twitter2015": twitter}.get(table.data, twitter + real_world)


def identify_dataset(data: Dataset) -> DataIdentity:
    """Recognise a data set by its numbers of posts and of entities."""
    counts: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
    for split in SPLITS:
        for post in data[split]:
            for kind, _, _ in entity_spans(post.tags or ()):
                counts[split][kind] = counts[split].get(kind, 0) + 1
    posts = tuple(len(data[split]) for split in SPLITS)
    entities = tuple(sum(counts[split].values()) for split in SPLITS)
    tagged = {tag[2:] for split in data for post in data[split] for tag in post.tags or () if tag != "O"}
    kinds = sorted(tagged, key=lambda kind: (-counts["test"].get(kind, 0), kind))
    # A set that has both names keeps both.
    types = {kind: kind if _PAPER_TYPES.get(kind) in tagged else _PAPER_TYPES.get(kind, kind) for kind in kinds}
    if (posts, entities) in _KNOWN:
        return DataIdentity(*_KNOWN[posts, entities], types)
    if posts in {posts for (posts, _), (name, _) in _KNOWN.items() if name == "real-world"}:
        return DataIdentity("like-real-world", _MADE_LIKE, types)
    if data.name == "sample":
        return DataIdentity("other", "the sample corpus, which is invented: a demonstration, not a result", types)
    return DataIdentity("other", f"{data.name}, which is none of the papers' data sets", types)
