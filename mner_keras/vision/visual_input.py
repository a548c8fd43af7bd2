"""`VisualInput`, picture ids and vectors by id: what posts and batches need of pictures, without HDF5 and Pillow."""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from mner_keras.errors import InputError

# Browsers' and Twitter's names for JPEG among them.
PICTURE_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".jpg_large", ".png", ".webp", ".gif", ".bmp")
_NAMED = 3  # ids in an error message


@dataclasses.dataclass(frozen=True)
class VisualInput:
    """What a model reads of a post's picture.

    Args:
        kind: `regions` (a post without a picture sees the blank picture's, unmasked) or `objects` (it sees none).
        count: the number of vectors per picture, `k`.
        dim: their width, `f`.
        extractor: the name of the extractor that created the features, if the store names one.
        weights_hash: the SHA-256 of the extractor's weights.
        options: the extractor's options, as JSON.
        pictures: whether the posts' pictures are used; if not, every post counts as one without a picture.
    """

    kind: str
    count: int
    dim: int
    extractor: str | None = None
    weights_hash: str | None = None
    options: str | None = None
    pictures: bool = True

    def __post_init__(self) -> None:
        if self.kind not in ("regions", "objects"):
            raise ValueError(f"`kind` must be 'regions' or 'objects'. Received: kind={self.kind!r}")

    def of_store(self, store: Any, pictures: bool = True) -> Self:
        """Return the same with a store's width and number of regions; raise `InputError` for the other kind."""
        attributes = store.attributes
        if attributes.get("kind", self.kind) != self.kind:
            raise InputError(f"expected a store of {self.kind}, found one of {attributes['kind']}", store.path)
        extractor = (attributes.get(name) for name in ("extractor", "weights_hash", "options"))
        count = store.count if self.kind == "regions" else self.count
        return VisualInput(self.kind, count, store.dim, *extractor, pictures)


VGG16_REGIONS = VisualInput("regions", count=49, dim=512)  # at 224 pixels
MASK_RCNN_OBJECTS = VisualInput("objects", count=3, dim=1024)  # the three best


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
    """Map picture ids to the names that they come from; raise `InputError` for two names of one id, in `path`."""
    found: dict[str, str] = {}
    for name in names:
        image_id = picture_id(name)
        if found.setdefault(image_id, name) != name:
            raise InputError(f"expected one picture of the id {image_id!r}, found {found[image_id]} and {name}", path)
    return found


def stack_vectors(
    keys: Sequence[str | None], found: Mapping[str, np.ndarray], count: int, dim: int, path: str | os.PathLike
) -> tuple[np.ndarray, np.ndarray]:
    """Stack the first `count` vectors `[k, dim]` found for each key as `FeatureStore.read` does; `path` for errors."""
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
