"""Convert a file of posts to another format, and split one into train, dev and test."""

from __future__ import annotations

import dataclasses
import itertools
import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mner_keras.data.datasets import SPLITS
from mner_keras.data.entities import check_iob2, orphan_positions
from mner_keras.data.files import ENDINGS, READERS, WRITERS, post_record, read_file, read_posts, write_jsonl
from mner_keras.data.post import Post
from mner_keras.errors import InputError
from mner_keras.files import write_whole

_BIO = {b"\tE-": b"\tI-", b"\tS-": b"\tB-"}


def convert_posts(
    source: str | os.PathLike, target: str | os.PathLike, scheme: str = "iob2"
) -> tuple[list[Post], Counter[str]]:
    """Convert a file of posts to the format of another file's ending, and its tags from a scheme to IOB2.

    In IOB1 an entity begins with I-, unless it follows another one of its type. In BIOES, read from CoNLL columns only,
    it ends with E-; S- is an entity of one token. Return the posts, and how many of them lost what in the new format.
    """
    source, target = Path(source), Path(target)
    _check_new(target)

    format_ = ENDINGS.get(source.suffix.lower(), "conll")

    def read(stream: Iterable[bytes], name: Path) -> Iterator[Post | InputError]:
        if scheme == "bioes" and format_ == "conll":
            stream = (re.sub(rb"\t[ES]-(?=[^\t]*$)", lambda prefix: _BIO[prefix[0]], line) for line in stream)
        return READERS[format_](stream, name)

    posts = read_file(source, read)
    if scheme == "iob1":
        posts = [dataclasses.replace(post, tags=post.tags and _from_iob1(post.tags)) for post in posts]
    check_iob2((post.tags or () for post in posts), source)
    target_format = ENDINGS.get(target.suffix.lower(), "conll")
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


def _from_iob1(tags: Sequence[str]) -> tuple[str, ...]:
    opening = set(orphan_positions(tags))
    return tuple("B" + tag[1:] if number in opening else tag for number, tag in enumerate(tags))


def _lost(post: Post) -> Iterator[str]:
    """Yield what CoNLL columns cannot contain of a post."""
    record = post_record(post)
    yield from (key for key in record if key not in ("tokens", "tags", "image"))
    if record["image"] != post.image_id:
        yield "path of image"
    if post.tags is None:
        yield "absence of tags"
