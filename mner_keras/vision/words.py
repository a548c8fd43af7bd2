"""Words as a picture's features: captions or labels, from any captioner or detector, become a store of word vectors."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mner_keras.errors import InputError
from mner_keras.files import Progress, file_sha256, no_progress
from mner_keras.text import read_vectors
from mner_keras.vision.extraction import versions
from mner_keras.vision.feature_writer import FeatureWriter, check_id, check_target
from mner_keras.vision.pictures import BLANK, names_by_id, picture_id

EXTRACTOR = "words"
WIDTHS = {"regions": 512, "objects": 1024}
SEED = 2015
_BLANK = {"regions": "; the blank picture is zeros", "objects": ""}
_STOP_WORDS = (
    "a an the of in on at to and or with is are was were be being it its his her their this that these those there "
    "from by for as up down out off over under near next front back top side some two three four several many few "
    "one each other another while into onto around behind above below him them she he they who which has have"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
_WORD = re.compile(r"[^\W\d_]+")
_FORM = "a caption, or a list of labels or of objects with `label`, `score` and `box`"
_LARGEST = 1e30

Item = dict[str, Any]
"""One word of a caption or one label: `label`, and where they are given `score` and `box`."""


def extract_words(
    file: str | os.PathLike,
    vectors: str | os.PathLike,
    path: str | os.PathLike,
    kind: str = "regions",
    count: int = 49,
    dtype: str = "float16",
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> tuple[int, int, int]:
    """Write the words of pictures into a store, as vectors.

    A caption gives its words except stop words; a label gives one vector, the mean over its words. Words are
    lower-cased; those without a vector are ignored. Each vector is multiplied by a random matrix with the standard
    deviation `1 / sqrt(d)`, which depends on the vectors' width d and the kind only. Regions share the words of their
    picture in order: with n words, region i has word `i * n // count`. Their blank picture is zeros.

    Args:
        file: JSON, an object with the words by the name of the picture: a caption, a list of labels, or a list of
            objects with `label` and optionally `score` and `box` (top, left, bottom, right in pixels).
        vectors: the word vectors, in a format of `read_vectors`.
        path: the store.
        kind: `regions` (of width 512) or `objects` (of width 1024, with labels, boxes and scores).
        count: the number of regions, or the maximum number of objects.
        dtype: `"float16"` or `"float32"`.
        overwrite: whether to replace an existing feature store.
        progress: called with the pictures done and their number.

    Returns:
        the pictures added, those that the store contained already, and those without a word that has a vector. The
        last are not in the store: their posts count as posts without a picture.

    Raises:
        InputError: a file in another form, two pictures with one id, vectors of none of the words, a store of other
            words or vectors.
    """
    check_target(path, dtype)
    pictures = read_words(file)
    found = read_vectors(vectors, {w for items in pictures.values() for item in items for w in _words(item)}, 0)
    if not found.words:
        raise InputError(f"expected vectors of words in {os.fspath(file)}, found none", vectors)
    # Both matrices come from one stream of random numbers, the one for regions first.
    numbers = np.random.default_rng(SEED).normal(0, found.dim**-0.5, (found.dim * sum(WIDTHS.values()),))
    start = 0 if kind == "regions" else found.dim * WIDTHS["regions"]
    projection = numbers[start : start + found.dim * WIDTHS[kind]].reshape(found.dim, -1).astype("float32")
    attributes = {
        "extractor": EXTRACTOR,
        "kind": kind,
        "feature_dim": WIDTHS[kind],
        "weights": found.source,
        "weights_hash": found.sha256,
        "preprocessing": f"lower-cased words, random projection with NumPy's seed {SEED}{_BLANK[kind]}",
        "options": json.dumps({kind: count}),
        "source": Path(file).name,
        "source_hash": file_sha256(file),
        "versions": versions(),
    }
    added = kept = 0
    with FeatureWriter(path, attributes, dtype, overwrite) as writer:
        if kind == "regions" and BLANK not in writer:
            writer.add(BLANK, np.zeros((count, WIDTHS[kind])))
        for number, (image_id, items) in enumerate(pictures.items(), start=1):
            rows = [[row for word in _words(item) if (row := found.lookup(word)) >= 0] for item in items]
            known = [(item, found.matrix[those].mean(0)) for item, those in zip(items, rows, strict=True) if those]
            if image_id in writer:
                kept += 1
            elif known:
                added += 1
                if kind == "regions":
                    known = [known[i * len(known) // count] for i in range(count)]
                known = known[:count]
                about = {} if kind == "regions" else _about([item for item, _ in known])
                writer.add(image_id, np.stack([vector for _, vector in known]) @ projection, **about)
            progress(number, len(pictures))
    return added, kept, len(pictures) - added - kept


def read_words(file: str | os.PathLike) -> dict[str, list[Item]]:
    """Read a file of captions or labels: the items of each picture by its id; errors as in `extract_words`."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"expected each name once, found {twice!r} twice", file)
        return found

    try:
        text = Path(file).read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"expected a JSON file of captions or labels ({error.strerror})", file) from None
    except UnicodeDecodeError as error:
        raise InputError(f"expected UTF-8, found another encoding ({error.reason})", file) from None
    try:
        pictures = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise InputError(f"expected JSON, found something else ({error.msg})", file, error.lineno) from None
    except RecursionError:
        raise InputError(f"expected {_FORM} per picture, found deeper JSON", file) from None
    if not isinstance(pictures, dict) or not pictures:
        raise InputError("expected a JSON object with the words of each picture by its name, found none", file)
    names_by_id(pictures, file)
    for name in pictures:
        check_id(name_id := picture_id(name))
        if name_id == BLANK:
            raise InputError(f"the id {BLANK!r} is reserved for the blank picture", file)
    return {picture_id(name): _items(name, value, file) for name, value in pictures.items()}


def _items(name: str, value: Any, file: str | os.PathLike) -> list[Item]:
    if isinstance(value, str):
        return [{"label": word} for word in _WORD.findall(value.lower()) if word not in STOP_WORDS]
    items = value if isinstance(value, list) else [value]
    items = [{"label": item} if isinstance(item, str) else item for item in items]
    for item in items:
        if not (isinstance(value, list) and _fits(item) and item.keys() == items[0].keys()):
            shown = json.dumps(item, ensure_ascii=False)
            found = shown if len(shown) <= 60 else f"{shown[:60]}..."
            raise InputError(f"expected {_FORM} at {name!r}, found {found}", file)
    return items


def _fits(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    box = item.get("box", [0, 0, 0, 0])
    numbers = [item.get("score", 0), *(box if isinstance(box, list) else [None])]
    return (
        item.keys() <= {"label", "score", "box"}
        and isinstance(item.get("label"), str)
        and len(numbers) == 5
        and all(type(number) in (int, float) and abs(number) < _LARGEST for number in numbers)
    )


def _words(item: Item) -> list[str]:
    return _WORD.findall(item["label"].lower())


def _about(items: Iterable[Item]) -> dict[str, list]:
    """Return `names`, `boxes` and `scores` of objects, as far as they are given."""
    keys = {"names": "label", "boxes": "box", "scores": "score"}
    return {plural: found for plural, key in keys.items() if (found := [i[key] for i in items if key in i])}
