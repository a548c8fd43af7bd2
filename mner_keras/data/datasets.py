"""Data sets by name or folder."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from mner_keras.data.batches import check_pictures
from mner_keras.data.entities import check_iob2, entity_spans, orphan_positions
from mner_keras.data.files import read_posts
from mner_keras.data.post import Post
from mner_keras.errors import InputError, did_you_mean
from mner_keras.files import file_sha256

SPLITS = ("train", "dev", "test")
_ENDINGS = (".txt", ".jsonl", ".parquet")


class Dataset(Mapping[str, list[Post]]):
    """A folder of posts in three splits, each read on first use.

    Args:
        folder: contains `train.txt`, `dev.txt` (or `valid.txt`) and `test.txt`, CoNLL columns, or the same as `.jsonl`
            or `.parquet`. It may contain `regions.h5` and `objects.h5`, the features of its pictures, and the pictures
            themselves in `images`.
        name: the data set's name in reports.

    Example:

    >>> data = load_dataset("sample")
    >>> len(data["train"])
    600
    """

    def __init__(self, folder: str | os.PathLike, name: str) -> None:
        self.folder = Path(folder)
        self.name = name
        self._posts: dict[str, list[Post]] = {}

    def __getitem__(self, split: str) -> list[Post]:
        if split not in SPLITS:
            raise KeyError(split)
        if split not in self._posts:
            self._posts[split] = read_posts(self.path(split))
        return self._posts[split]

    def __iter__(self) -> Iterator[str]:
        return iter(SPLITS)

    def __len__(self) -> int:
        return len(SPLITS)

    def path(self, split: str) -> Path:
        """Return the path of a split's file.

        Raises:
            InputError: the folder contains none of the split's possible files, or two of them.
        """
        stems = ("dev", "valid") if split == "dev" else (split,)
        names = [stem + ending for ending in _ENDINGS for stem in stems]
        found = [self.folder / name for name in names if (self.folder / name).is_file()]
        if len(found) != 1:
            seen = " and ".join(path.name for path in found) or "none of them"
            raise InputError(f"expected one of {', '.join(names)}, found {seen}", self.folder)
        return found[0]

    def features(self, kind: str) -> Path | None:
        """Return the folder's own feature store of this kind (`regions` or `objects`), or `None`."""
        path = self.folder / f"{kind}.h5"
        return path if path.is_file() else None

    def pictures(self) -> Path | None:
        """Return the folder of the posts' pictures, `images`, or `None`."""
        path = self.folder / "images"
        return path if path.is_dir() else None

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each split's file, by the file's name."""
        return {path.name: file_sha256(path) for path in map(self.path, SPLITS)}


def load_dataset(name_or_folder: str | os.PathLike) -> Dataset:
    """Open a data set: `sample` (shipped inside the package), a folder, or a folder below `$MNER_DATA`.

    Raises:
        InputError: there is no such data set.

    Example:

    >>> load_dataset("sample")["dev"][0].tokens
    """
    name = os.fspath(name_or_folder)
    if Path(name).is_dir():
        return Dataset(name, Path(name).resolve().name)
    if name == "sample":
        return Dataset(Path(str(resources.files("mner_keras"))) / "data" / "sample", "sample")
    home = os.environ.get("MNER_DATA")
    if home and (Path(home) / name).is_dir():
        return Dataset(Path(home) / name, name)
    if Path(name).exists():
        raise InputError("expected a folder with train, dev and test files, found a file", name)
    raise InputError(
        f"expected `sample`, a folder, or a folder's name below $MNER_DATA, found no {name!r}."
        + did_you_mean(name, ["sample", "twitter2015/original", "twitter2015/umt"])
    )


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
        from mner_keras.vision.pictures import find_pictures

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
