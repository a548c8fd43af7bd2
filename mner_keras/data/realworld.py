"""A data set of posts with and without pictures, built like HSN's real-world set, for users who cannot fetch that."""

import dataclasses
import itertools
import os
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mner_keras.data.datasets import SPLITS, load_dataset
from mner_keras.data.files import format_of, iter_conll, read_file, read_posts, write_conll
from mner_keras.data.post import Post, check_iob2, entity_spans
from mner_keras.errors import InputError
from mner_keras.files import file_sha256, write_json, write_whole

SIZES = (3000, 1000, 2000)  # the plain-text posts that HSN's authors added to train, dev and test


def make_realworld(
    base: str | os.PathLike,
    text_only: Sequence[str | os.PathLike],
    folder: str | os.PathLike,
    sizes: Sequence[int] = SIZES,
    seed: int = 1,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Add plain-text posts to a data set's splits.

    The plain-text posts with at least one entity are pooled, shuffled and divided between the splits, after the
    splits' own posts. Tags and tokens are unchanged. HSN's own set is published: footnote 1 of the paper names
    https://github.com/T1aNS1R/Real-world-multimodal-NER-dataset, which links to it.

    Args:
        base: the data set with pictures, a name or a folder.
        text_only: files of tagged posts.
        folder: receives `train.txt`, `dev.txt`, `test.txt` and `realworld.json`, a record of the settings and counts.
        sizes: posts added to train, dev and test.
        seed: random seed of the order.
        overwrite: whether to replace the files of an earlier set.

    Returns:
        what `realworld.json` contains.

    Raises:
        InputError: too few posts, a folder that contains other files, a malformed file, tags in IOB1.
    """
    data, folder = load_dataset(base), Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError("expected a folder to write into, found a file", folder)
    ours = (folder / "realworld.json").exists()
    if folder.exists() and any(folder.iterdir()) and not (overwrite and ours):
        found = "a set made earlier: --overwrite replaces it" if ours else "other files"
        raise InputError(f"expected an empty folder or none, found {found}", folder)
    posts: list[Post] = []
    empty_lines = 0
    for file in text_only:
        found, dropped = _read_text_only(file)
        check_iob2((post.tags or () for post in found), file)
        posts += found
        empty_lines += dropped
    pool = [dataclasses.replace(post, image_id=None) for post in posts if entity_spans(post.tags or ())]
    if len(pool) < sum(sizes):
        raise InputError(f"expected {sum(sizes):,} plain-text posts that contain an entity, found {len(pool):,}")
    random.Random(seed).shuffle(pool)
    rest = iter(pool)
    splits = {split: [*data[split], *itertools.islice(rest, size)] for split, size in zip(SPLITS, sizes, strict=True)}
    of_base, of_pool = (
        {kind for post in found for kind, _, _ in entity_spans(post.tags or ())}
        for found in (itertools.chain(*data.values()), pool)
    )
    record = {
        "base": {"name": data.name, "sha256": data.hashes()},
        "text_only": {Path(file).name: file_sha256(file) for file in text_only},
        "seed": seed,
        "added": dict(zip(SPLITS, sizes, strict=True)),
        "posts": {split: len(found) for split, found in splits.items()},
        "pool": len(pool),  # posts with an entity
        "without_entity": len(posts) - len(pool),  # left out, as are lines without a token
        "empty_lines": empty_lines,
        "types_lacking": sorted(of_base - of_pool),
        "types_new": sorted(of_pool - of_base),
        "split_handles": sum("@" in post.tokens[:-1] for post in pool),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for split, found in splits.items():
        write_whole(folder / f"{split}.txt", lambda path, found=found: write_conll(path, found))
    write_json(folder / "realworld.json", record)
    return record


def _read_text_only(file: str | os.PathLike) -> tuple[list[Post], int]:
    """Return the posts of a plain-text file, and how many lines without a token were left out.

    The Broad Twitter Corpus has a few lines with an empty token, with or without a tag, which `read_conll` refuses.
    """
    if format_of(file) != "conll":
        return read_posts(file), 0
    dropped = 0

    def kept(lines: Iterable[bytes]) -> Iterator[bytes]:
        nonlocal dropped
        for line in lines:
            text, tab, _ = line.partition(b"\t")
            if tab and not text or line.strip(b"\r\n") and not line.strip():
                dropped += 1
            else:
                yield line

    return read_file(file, lambda stream, name: iter_conll(kept(stream), name)), dropped
