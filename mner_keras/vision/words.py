"""Words as a picture's features: captions or labels, from any captioner or detector, become a store of word vectors."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from mner_keras.errors import InputError
from mner_keras.files import file_sha256
from mner_keras.text import read_vectors
from mner_keras.vision.extraction import versions
from mner_keras.vision.feature_writer import FeatureWriter
from mner_keras.vision.pictures import BLANK
from mner_keras.vision.visual_input import names_by_id

WIDTHS = {"regions": 512, "objects": 1024}
SEED = 2015
_STOP_WORDS = (
    "a an the of in on at to and or with is are was were be being it its his her their this that these those there "
    "from by for as up down out off over under near next front back top side some two three four several many few "
    "one each other another while into onto around behind above below him them she he they who which has have"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
_WORD = re.compile(r"[^\W\d_]+")
_KEYS = {"label": "names", "box": "boxes", "score": "scores"}  # what an object may have, and what a store calls it


def extract_words(
    file: str | os.PathLike,
    vectors: str | os.PathLike,
    path: str | os.PathLike,
    kind: str = "regions",
    count: int = 49,
    overwrite: bool = False,
) -> tuple[int, int, int]:
    """Write the words of pictures into a store, as float16 vectors, and the captions, for text backbones.

    A caption gives one vector per word, without stop words; a label gives the mean of its words' vectors. Words are
    lower-cased; those without a vector are ignored. Each vector of width d is multiplied by a fixed random matrix with
    standard deviation `1 / sqrt(d)`. Regions share the words in order: of n words, region i has word `i * n // count`.

    Args:
        file: JSON, by picture name: a caption, a list of labels, or a list of objects with `label` and optionally
            `score` and `box` (top, left, bottom, right in pixels).
        vectors: a file of word vectors.
        path, overwrite: see `FeatureWriter`.
        kind: `regions` (width 512; the blank picture is zeros) or `objects` (width 1024).
        count: the number of regions, or the maximum number of objects.

    Returns:
        the numbers of pictures added, already in the store, and without a known word (which are not in the store).

    Raises:
        InputError: another form of file, two pictures of one id, no known word, a store of other words or vectors.
    """
    pictures = read_words(file)
    found = read_vectors(vectors, {word for _, items in pictures.values() for _, words in items for word in words}, 0)
    if not found.words:
        raise InputError(f"expected vectors of words in {os.fspath(file)}, found none", vectors)
    # One stream of random numbers gives both matrices, the one for regions first.
    rng = np.random.default_rng(SEED)
    projections = {key: rng.normal(0, found.dim**-0.5, (found.dim, width)) for key, width in WIDTHS.items()}
    projection = projections[kind].astype("float32")
    attributes = {
        "extractor": "words",
        "kind": kind,
        "feature_dim": WIDTHS[kind],
        "weights": found.source,
        "weights_hash": found.sha256,
        "preprocessing": f"lower-cased words, random projection (NumPy, seed {SEED}); blank regions: zeros",
        "options": json.dumps({kind: count}),
        "source": Path(file).name,
        "source_hash": file_sha256(file),
        "versions": versions(),
    }
    added = kept = 0
    with FeatureWriter(path, attributes, "float16", overwrite) as writer:
        if kind == "regions" and BLANK not in writer:
            writer.add(BLANK, np.zeros((count, WIDTHS[kind])))
        for image_id, (caption, items) in pictures.items():
            rows = [(item, [row for word in words if (row := found.lookup(word)) >= 0]) for item, words in items]
            known = [(item, found.matrix[those].mean(0)) for item, those in rows if those]
            if image_id in writer:
                kept += 1
            elif known:
                added += 1
                if kind == "regions":
                    known = [known[i * len(known) // count] for i in range(count)]
                shown, matrix = zip(*known[:count], strict=True)
                about = {_KEYS[key]: [item[key] for item in shown] for key in shown[0]} if kind == "objects" else {}
                writer.add(image_id, np.stack(matrix) @ projection, **about, caption=caption)
    return added, kept, len(pictures) - added - kept


def read_words(file: str | os.PathLike) -> dict[str, tuple[str, list[tuple[dict[str, Any], list[str]]]]]:
    """Return by image id: the caption or the labels; objects (`label`, `score`, `box`) and the label's words."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            raise InputError(f"expected each name once, found {max(names, key=names.count)!r} more often", file)
        return dict(pairs)

    try:
        pictures = json.loads(Path(file).read_text("utf-8-sig"), object_pairs_hook=unique)
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"expected a JSON file of captions or labels, found none ({reason})", file) from None
    if not isinstance(pictures, dict) or not pictures:
        raise InputError("expected a JSON object with the words of each picture by its name, found none", file)
    found = {}
    for image_id, name in names_by_id(pictures, file).items():
        if image_id in ("", ".", "..", BLANK):
            raise InputError(f"expected the name of a picture, found {name!r}", file)
        value = pictures[name]
        if isinstance(value, str):
            value = [word for word in _WORD.findall(value.lower()) if word not in STOP_WORDS]
        items = value if isinstance(value, list) else [None]
        items = [{"label": item} if isinstance(item, str) else item for item in items]
        if not all(_fits(item) and item.keys() == items[0].keys() for item in items):
            expected = "a caption, or a list of labels or of objects that all have `label`, `score`, `box` or fewer"
            raise InputError(f"expected {expected} at {name!r}, found {json.dumps(value)[:60]}", file)
        caption = pictures[name] if isinstance(pictures[name], str) else ", ".join(item["label"] for item in items)
        found[image_id] = caption, [(item, _WORD.findall(item["label"].lower())) for item in items]
    return found


def _fits(item: Any) -> bool:
    """Return whether an object has a label, and a score and a box that are finite numbers if it has them."""
    if not isinstance(item, dict) or not item.keys() <= _KEYS.keys() or not isinstance(item.get("label"), str):
        return False
    box = item.get("box", [0] * 4)
    numbers = [item.get("score", 0), *(box if isinstance(box, list) else ())]
    return len(numbers) == 5 and all(type(number) in (int, float) and abs(number) < 1e30 for number in numbers)
