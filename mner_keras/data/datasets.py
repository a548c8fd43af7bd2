"""Data sets by name or folder; files of posts converted to another format, or split into a data set."""

import dataclasses
import itertools
import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from mner_keras.data.batches import check_pictures
from mner_keras.data.files import READERS, WRITERS, format_of, read_file, read_posts, write_jsonl
from mner_keras.data.post import Post, check_iob2, entity_spans, orphan_positions, post_record
from mner_keras.errors import InputError, did_you_mean
from mner_keras.files import file_sha256, write_whole

SPLITS = ("train", "dev", "test")
_ENDINGS = (".txt", ".jsonl", ".json", ".parquet")
_BIO = {b"\tE-": b"\tI-", b"\tS-": b"\tB-"}


class Dataset(Mapping[str, list[Post]]):
    """A folder of posts in three splits, each read on first use.

    Args:
        folder: contains `train.txt`, `dev.txt` (or `valid.txt`) and `test.txt`, CoNLL columns, or the same as `.jsonl`
            or `.parquet`, or as `.json` (Label Studio's tasks). It may contain the pictures in `images`, and their
            features in `regions.h5` and `objects.h5` or in folders `regions` and `objects` of parts.
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
        """Return the path of a split's file; raise `InputError` for none of the possible files, or two of them."""
        stems = ("dev", "valid") if split == "dev" else (split,)
        names = [stem + ending for ending in _ENDINGS for stem in stems]
        found = [self.folder / name for name in names if (self.folder / name).is_file()]
        if len(found) != 1:
            seen = " and ".join(path.name for path in found) or "none of them"
            raise InputError(f"expected one of {', '.join(names)}, found {seen}", self.folder)
        return found[0]

    def features(self, kind: str) -> Path | None:
        """Return the folder's own feature store of this kind: `regions.h5`, a folder `regions` of parts, or `None`."""
        file, parts = self.folder / f"{kind}.h5", self.folder / kind
        return file if file.is_file() else parts if any(parts.glob("part-*.h5")) else None

    def pictures(self) -> Path | None:
        """Return the folder of the posts' pictures, `images`, or `None`."""
        path = self.folder / "images"
        return path if path.is_dir() else None

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each split's file, by the file's name."""
        return {path.name: file_sha256(path) for path in map(self.path, SPLITS)}


def load_dataset(name_or_folder: str | os.PathLike) -> Dataset:
    """Open a data set: `sample` (shipped inside the package), a folder, or a folder below `$MNER_DATA`.

    Raise `InputError` if there is none.

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
        hint = "`mner data split FILE --to FOLDER` splits it"
        raise InputError(f"expected a folder with train, dev and test files, found a file; {hint}", name)
    hint = did_you_mean(name, ["sample", "twitter2015/original", "twitter2015/umt"])
    raise InputError(f"expected `sample`, a folder, or a folder's name below $MNER_DATA, found no {name!r}.{hint}")


def check_dataset(data: Dataset) -> dict[str, Any]:
    """Count posts, pictures, entities by type (strict IOB2), orphan I- tags, and what splits share; hash the files.

    Raise `InputError` for a missing or malformed file, tags in IOB1, two pictures with one id, or a store in the folder
    that contains none of a split's pictures.
    """
    for split, posts in data.items():
        check_iob2((post.tags or () for post in posts), data.path(split))
        for kind in ("regions", "objects"):
            check_pictures(posts, data.features(kind), f"the {split} posts")
    if data.pictures() is not None:
        from mner_keras.vision.pictures import find_pictures

        find_pictures([data.pictures()])
    return {
        "name": data.name,
        "splits": {split: _count(posts) for split, posts in data.items()},
        "total": _count(list(itertools.chain(*data.values()))),
        "shared": {
            f"{a} and {b}": {
                "posts": len({post.tokens for post in data[a]} & {post.tokens for post in data[b]}),
                "pictures": len(_pictures(data[a]) & _pictures(data[b])),
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


def _pictures(posts: list[Post]) -> set[str | None]:
    return {post.image_id for post in posts} - {None}


def convert_posts(
    source: str | os.PathLike, target: str | os.PathLike, scheme: str = "iob2"
) -> tuple[list[Post], Counter[str]]:
    """Convert a file of posts to the format of another file's ending, and its tags from a scheme to IOB2.

    In IOB1 an entity begins with I-, unless it follows another one of its type. In BIOES, read from CoNLL columns only,
    it ends with E-; S- is an entity of one token. Return the posts, and how many of them lost what in the new format.
    """
    source, target = Path(source), Path(target)
    _check_new(target)
    format_, target_format = format_of(source), format_of(target)

    def read(stream: Iterable[bytes], name: Path) -> Iterator[Post | InputError]:
        if scheme == "bioes" and format_ == "conll":
            stream = (re.sub(rb"\t[ES]-(?=[^\t]*$)", lambda prefix: _BIO[prefix[0]], line) for line in stream)
        return READERS[format_](stream, name)

    posts = read_file(source, read)
    if scheme == "iob1":
        posts = [_from_iob1(post) for post in posts]
    check_iob2((post.tags or () for post in posts), source)
    write_whole(target, lambda path: WRITERS[target_format](path, posts))
    return posts, Counter(what for post in posts for what in _lost(post) if target_format == "conll")


def split_posts(
    source: str | os.PathLike, folder: str | os.PathLike, sizes: Sequence[int] = (80, 10, 10), seed: int = 1
) -> dict[str, list[Post]]:
    """Split a file of posts at random into `train.jsonl`, `dev.jsonl` and `test.jsonl`, given their percentages.

    Posts with the same picture or the same tokens stay in one split. Within a split, the file's order remains.
    """
    if len(sizes) != len(SPLITS) or min(sizes) <= 0 or sum(sizes) != 100:
        raise InputError(f"expected three positive percentages whose sum is 100, found {','.join(map(str, sizes))}")
    for stem in (*SPLITS, "valid"):
        for path in Path(folder).glob(f"{stem}.*"):
            _check_new(path)
    posts = read_posts(source)
    check_iob2((post.tags or () for post in posts), source)
    groups = _groups(posts)
    random.Random(seed).shuffle(groups)
    chosen: list[list[int]] = [[], [], []]
    for group in sorted(groups, key=len, reverse=True):
        lacking = [size * len(posts) / 100 - len(numbers) for size, numbers in zip(sizes, chosen, strict=True)]
        chosen[lacking.index(max(lacking))] += group
    if not all(chosen):
        found = f"{len(posts):,} posts in {len(groups):,} groups of one picture or the same tokens"
        raise InputError(f"expected more posts for splits of these sizes, found {found}", source)
    splits = {split: [posts[n] for n in sorted(numbers)] for split, numbers in zip(SPLITS, chosen, strict=True)}
    Path(folder).mkdir(parents=True, exist_ok=True)
    for split, found in splits.items():
        write_whole(Path(folder) / f"{split}.jsonl", lambda path, found=found: write_jsonl(path, found))
    return splits


def _groups(posts: Sequence[Post]) -> list[list[int]]:
    """Return the positions of the posts that share, directly or through others, a picture or their tokens."""
    parents = list(range(len(posts)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = number = parents[parents[number]]
        return number

    first: dict[object, int] = {}
    for number, post in enumerate(posts):
        for key in (post.tokens, post.image_id or post.tokens):
            parents[root(number)] = root(first.setdefault(key, number))
    return [list(group) for _, group in itertools.groupby(sorted(range(len(posts)), key=root), root)]


def _check_new(path: Path) -> None:
    if path.exists():
        raise InputError("expected a new file, found an existing one", path)


def _from_iob1(post: Post) -> Post:
    opening = set(orphan_positions(post.tags or ()))
    tags = tuple("B" + tag[1:] if number in opening else tag for number, tag in enumerate(post.tags or ()))
    return dataclasses.replace(post, tags=tags or None)


def _lost(post: Post) -> Iterator[str]:
    """Yield what CoNLL columns cannot contain of a post."""
    record = post_record(post)
    yield from (key for key in record if key not in ("tokens", "tags", "image"))
    if record["image"] != post.image_id:
        yield "path of image"
    if post.tags is None:
        yield "absence of tags"
