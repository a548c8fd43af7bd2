"""Convert a file of posts to another format, and split one into train, dev and test."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mner_keras.data.datasets import SPLITS
from mner_keras.data.entities import check_iob2, orphan_positions
from mner_keras.data.files import ENDINGS, READERS, WRITERS, post_record, read_file, read_posts, write_jsonl
from mner_keras.data.post import Post
from mner_keras.errors import InputError
from mner_keras.files import write_whole
from mner_keras.vision.pictures import picture_id

SCHEMES = ("iob2", "iob1", "bioes")
TARGETS = {**ENDINGS, ".txt": "conll"}
"""The formats that can be written, by the file's ending."""


def convert_posts(
    source: str | os.PathLike, target: str | os.PathLike, scheme: str = "iob2", link: str = ""
) -> tuple[list[Post], dict[str, int]]:
    """Convert a file of posts to the format of another file's ending; the tags become IOB2.

    Args:
        source: CoNLL columns, JSON lines or Label Studio's tasks.
        target: the new file.
        scheme: the tags of `source`, one of `SCHEMES`. IOB1: an entity begins with I- unless it follows another one of
            its type. BIOES: it ends with E-, and an entity of one token has S-.
        link: the path or URL of each picture, with `{image}` in the place of its id.

    Returns:
        the posts, and what the new format cannot contain: the number of posts by the name of the lost key.

    Raises:
        InputError: an existing `target`, a malformed file, tags of another scheme.
    """
    source, target = Path(source), Path(target)
    _check_new(target)
    if scheme == "bioes":
        reader = READERS[ENDINGS.get(source.suffix.lower(), "conll")]
        posts = read_file(source, lambda stream, name: reader(_bioes_as_iob2(stream), name))
    else:
        posts = read_posts(source)
    if scheme == "iob1":
        posts = [dataclasses.replace(post, tags=_iob1_as_iob2(post.tags)) if post.tags else post for post in posts]
    check_iob2((post.tags or () for post in posts), source)
    if link:
        posts = [_linked(post, link) if post.image_id else post for post in posts]
    format_ = TARGETS[target.suffix.lower()]
    write_whole(target, lambda path: WRITERS[format_](path, posts))
    return posts, _lost(posts) if format_ == "conll" else {}


def split_posts(
    source: str | os.PathLike, folder: str | os.PathLike, sizes: Sequence[int] = (80, 10, 10), seed: int = 1
) -> dict[str, list[Post]]:
    """Split a file of posts into `train.jsonl`, `dev.jsonl` and `test.jsonl`, at random.

    Posts with the same picture or the same tokens stay together, so that no split contains what another one tests.
    Within a split, the file's order remains.

    Args:
        source: CoNLL columns, JSON lines or Label Studio's tasks.
        folder: receives the files; it may contain pictures or stores.
        sizes: percent of the posts in train, dev and test.
        seed: random seed.

    Raises:
        InputError: sizes other than three positive numbers whose sum is 100, a folder with a split, too few posts.
    """
    if len(sizes) != len(SPLITS) or min(sizes) <= 0 or sum(sizes) != 100:
        found = ",".join(map(str, sizes))
        raise InputError(f"expected three positive percentages whose sum is 100 (train,dev,test), found {found}")
    folder = Path(folder)
    files = {split: folder / f"{split}.jsonl" for split in SPLITS}
    for stem in (*SPLITS, "valid"):
        for path in folder.glob(f"{stem}.*"):
            _check_new(path)
    posts = read_posts(source)
    check_iob2((post.tags or () for post in posts), source)
    groups = _groups(posts)
    random.Random(seed).shuffle(groups)
    chosen: dict[str, list[int]] = {split: [] for split in SPLITS}
    # The largest groups first; each to the split that lacks most.
    for group in sorted(groups, key=len, reverse=True):
        lacking = [size * len(posts) / 100 - len(chosen[split]) for split, size in zip(SPLITS, sizes, strict=True)]
        chosen[SPLITS[lacking.index(max(lacking))]] += group
    if not all(chosen.values()):
        raise InputError(
            f"expected posts for three splits, found {len(posts):,} posts in {len(groups):,} groups of one picture or "
            "the same tokens",
            source,
        )
    splits = {split: [posts[number] for number in sorted(numbers)] for split, numbers in chosen.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for split, path in files.items():
        write_whole(path, lambda unfinished, split=split: write_jsonl(unfinished, splits[split]))
    return splits


def _groups(posts: Sequence[Post]) -> list[list[int]]:
    """Return the positions of the posts that share, directly or through others, a picture or their tokens."""
    group_of: dict[Any, list[int]] = {}
    for number, post in enumerate(posts):
        found = {id(group_of[key]): group_of[key] for key in (post.tokens, post.image_id) if key in group_of}
        group = max(found.values(), key=len, default=[])
        joined = [number, *(member for other in found.values() if other is not group for member in other)]
        group += joined
        for member in joined:
            group_of[posts[member].tokens] = group
            if posts[member].image_id is not None:
                group_of[posts[member].image_id] = group
    return list({id(group): group for group in group_of.values()}.values())


def _check_new(path: Path) -> None:
    if path.exists():
        raise InputError("expected a new file, found an existing one", path)


def _iob1_as_iob2(tags: Sequence[str]) -> tuple[str, ...]:
    opening = set(orphan_positions(tags))
    return tuple("B" + tag[1:] if number in opening else tag for number, tag in enumerate(tags))


def _bioes_as_iob2(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Replace E- by I- and S- by B- in the tags of CoNLL columns or JSON lines."""
    for line in lines:
        try:
            record = json.loads(line)
            tags = [re.sub("^[ES]-", lambda prefix: {"E-": "I-", "S-": "B-"}[prefix[0]], tag) for tag in record["tags"]]
            yield json.dumps({**record, "tags": tags}).encode() + b"\n"
        except (ValueError, TypeError, KeyError):
            yield re.sub(rb"\t([ES])-(?=[^\t]*$)", lambda tag: b"\tI-" if tag[1] == b"E" else b"\tB-", line)


def _linked(post: Post, link: str) -> Post:
    address = link.replace("{image}", post.image_id)
    if picture_id(address) != post.image_id:
        raise InputError(f"expected a path or URL that ends with {{image}} and a file extension, found {link!r}")
    return dataclasses.replace(post, extra={**post.extra, "image": address})


def _lost(posts: Iterable[Post]) -> dict[str, int]:
    """Count the posts by the keys that CoNLL columns cannot contain."""
    lost: Counter[str] = Counter()
    for post in posts:
        record = post_record(post)
        lost.update(key for key in record if key not in ("tokens", "tags", "image"))
        lost["path of `image`"] += record["image"] != post.image_id
        lost["absent tags (now O)"] += post.tags is None
    return dict(+lost)
