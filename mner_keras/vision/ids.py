"""Picture ids, and vectors by id: what posts and batches need of pictures, without HDF5 and Pillow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mner_keras.errors import InputError

PICTURE_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".jpg_large", ".png", ".webp", ".gif", ".bmp")
"""File endings of pictures, browsers' and Twitter's names for JPEG among them."""

_NAMED = 3  # ids in an error message


def picture_id(name: str) -> str:
    """Return a picture's id: its name without folder, ending and surrounding white space.

    Posts, feature stores and picture folders all use this function, so that `12.jpg` in one of them is `12` in the
    others. A name that is only a folder or only an ending is kept whole. An id is its own id.
    """
    base = name.replace("\\", "/").rsplit("/", 1)[-1].strip()
    while base.lower().endswith(PICTURE_ENDINGS):
        stem = base.rpartition(".")[0].rstrip()
        if not stem:
            break
        base = stem
    return base or name.strip()


def names_by_id(names: Iterable[str], path: str | os.PathLike | None = None) -> dict[str, str]:
    """Map picture ids to the names that they come from.

    Raises:
        InputError: two names of one id, in the file or folder `path`.
    """
    found: dict[str, str] = {}
    for name in names:
        image_id = picture_id(name)
        if found.setdefault(image_id, name) != name:
            raise InputError(f"expected one picture of the id {image_id!r}, found {found[image_id]} and {name}", path)
    return found


def stack_vectors(
    keys: Sequence[str | None], found: Mapping[str, np.ndarray], count: int, dim: int, path: str | os.PathLike
) -> tuple[np.ndarray, np.ndarray]:
    """Stack the first `count` of the vectors `[k, dim]` that were found for each key, as `FeatureStore.read` does.

    A key without vectors gives zeros and an empty mask; `path` is the source, for error messages.
    """
    features = np.zeros((len(keys), count, dim), "float32")
    mask = np.zeros((len(keys), count), bool)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite and is reported below
        for row, key in enumerate(keys):
            if key not in found:
                continue
            vectors = found[key][:count]
            if vectors.shape[1] != dim:
                raise InputError(f"expected vectors of {dim} at {key!r}, found {vectors.shape[1]}", path)
            features[row, : len(vectors)] = vectors
            mask[row, : len(vectors)] = True
    if not np.isfinite(features).all():
        rows = np.flatnonzero(~np.isfinite(features).all(axis=(1, 2)))
        ids = list(dict.fromkeys(repr(keys[row]) for row in rows))
        more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
        raise InputError(f"expected finite numbers, found NaN or infinity at {', '.join(ids[:_NAMED])}{more}", path)
    return features, mask
