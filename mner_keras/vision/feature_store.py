"""`FeatureStore`: the features of pictures in one HDF5 file, read batch by batch."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mner_keras.errors import InputError
from mner_keras.files import Progress, no_progress
from mner_keras.vision.pictures import BLANK, names_by_id, picture_id

UNFINISHED = "unfinished"
"""The root attribute of a store that is still being written."""

NO_BLANK = "the store has no blank picture: posts without a picture see zeros"

_LARGEST = 2**30  # bytes per picture; a damaged shape may claim terabytes
_MOST_VALUES = 2**20  # per attribute
_NAMED = 3  # ids in an error message


@dataclasses.dataclass(frozen=True)
class PictureObjects:
    """Names, boxes and scores of a picture's objects, in the order of their vectors.

    Args:
        names: empty if unknown.
        boxes: `[k, 4]`: top, left, bottom, right in pixels, the last two exclusive; `None` if unknown.
        scores: the extractor's confidence, `[k]`; `None` if unknown.
    """

    names: tuple[str, ...] = ()
    boxes: np.ndarray | None = None
    scores: np.ndarray | None = None

    @classmethod
    def of(cls, about: Mapping[str, Any], count: int) -> PictureObjects:
        """Take the first `count` objects from a store's attributes or an extractor's output; drop invalid boxes."""
        found = {key: about[key][:count] for key in ("names", "boxes", "scores") if about.get(key) is not None}
        names = tuple(n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in found.get("names", ()))
        boxes, scores = (np.asarray(found[key], "float64") if key in found else None for key in ("boxes", "scores"))
        if boxes is not None and (boxes.shape != (len(boxes), 4) or not np.isfinite(boxes).all()):
            boxes = None
        return cls(names, boxes, scores)

    def name(self, number: int) -> str:
        """Return an object's name, or `object 1` if it has none."""
        return self.names[number] if number < len(self.names) else f"object {number + 1}"


class FeatureStore:
    """Features of pictures by image id: regions or objects, `k` vectors of width `f` per picture.

    The file has one dataset per image id at its root, `[k, f]`, float16 or float32; `_blank` for the blank picture;
    root attributes for the extractor, its weights and their hash. HDF5 files of VGG16 features with one dataset
    `(1, 512, 7, 7)` per image id, as published by Zhang et al. (2018), are read as 49 regions of 512, row by row.

    The file is opened on first use, so that worker processes can receive a store. Opening it reads names and one shape,
    but no values.

    Args:
        path: the HDF5 file.

    Raises:
        InputError: there is no such file. Everything else that is wrong with a file is an `InputError` on first use.

    Example:

    >>> store = FeatureStore("regions.h5")
    >>> features, mask = store.read(["113", None], count=49)
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = os.fspath(path)
        self._file: h5py.File | None = None
        if not os.path.lexists(self.path):
            raise InputError("expected a feature store, found no such file", self.path)

    @property
    def file(self) -> h5py.File:
        """The open file."""
        if self._file is None:
            self._file = open_hdf5(self.path)
        return self._file

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the datasets: the image ids and `_blank`."""
        return frozenset(read_head(self.file, self.path)[0])

    @cached_property
    def _keys(self) -> dict[str, str]:
        """The name of the dataset of each image id. Zhang et al. use the picture's file name."""
        return names_by_id(sorted(self.names - {BLANK}), self.path)

    @cached_property
    def attributes(self) -> dict[str, str]:
        """The root attributes that describe the features: `extractor`, `weights`, `weights_hash`, ..."""
        return {key: str(value) for key, value in read_head(self.file, self.path)[1].items()}

    @property
    def count(self) -> int:
        """Vectors of the first picture in the file."""
        return self._first_shape[0]

    @property
    def dim(self) -> int:
        """Width of the first picture's vectors."""
        return self._first_shape[1]

    @property
    def has_blank(self) -> bool:
        """Whether the store has the blank picture."""
        return BLANK in self.names

    @property
    def lacks_blank(self) -> bool:
        """Whether posts without a picture see zeros: regions without a blank picture. Objects need none."""
        return not self.has_blank and self.attributes.get("kind", "regions") == "regions"

    def __contains__(self, image_id: object) -> bool:
        return isinstance(image_id, str) and self._key(image_id) is not None

    def __len__(self) -> int:
        return len(self.names - {BLANK})

    def read(self, image_ids: Sequence[str | None], count: int) -> tuple[np.ndarray, np.ndarray]:
        """Read the first `count` vectors of each picture.

        Args:
            image_ids: one id per post; `None` or an id that is not in the store gives zeros and an empty mask.
            count: the maximum number of vectors per picture.

        Returns:
            features float32 `[len(image_ids), count, f]` and mask bool `[len(image_ids), count]`.

        Raises:
            InputError: damaged data, NaN, infinity, or vectors of another width than the first picture's.
        """
        keys = [None if image_id is None else self._key(image_id) for image_id in image_ids]
        return stack_vectors(keys, lambda key: self._vectors(key, count), count, self.dim, self.path)

    def blank(self, count: int) -> np.ndarray:
        """Read the blank picture's vectors, float32 `[count, f]`; zeros if the store has none."""
        keys = [BLANK if self.has_blank else None]
        return stack_vectors(keys, lambda key: self._vectors(key, count), count, self.dim, self.path)[0][0]

    def objects(self, image_id: str | None, count: int) -> PictureObjects:
        """Read names, boxes and scores of a picture's first `count` objects, as far as the store has them."""
        key = None if image_id is None else self._key(image_id)
        if key is None:
            return PictureObjects()
        with damage(self.path, f"names, boxes and scores at {key!r}"):
            return PictureObjects.of(_attributes(self.file[key]), count)

    def describe(self) -> dict[str, Any]:
        """Summarise the store.

        Returns:
            `path`, `bytes`, `pictures`, `blank` (whether there is one), `vectors` (pictures by number of vectors),
            `width`, `dtype`, `finished`, `attributes`.
        """
        vectors: Counter[int] = Counter()
        dtypes: set[str] = set()
        for name in self.names:
            shape, dtype, _ = self._layout(name)
            dtypes.add(str(dtype))
            if name != BLANK:
                vectors[shape[0]] += 1
        attributes = dict(self.attributes)
        return {
            "path": self.path,
            "bytes": os.path.getsize(self.path),
            "pictures": len(self),
            "blank": self.has_blank,
            "vectors": dict(sorted(vectors.items())),
            "width": self.dim,
            "dtype": " and ".join(sorted(dtypes)),
            "finished": not attributes.pop(UNFINISHED, False) and not Path(f"{self.path}.parts").is_dir(),
            "attributes": attributes,
        }

    def check(self, progress: Progress = no_progress) -> None:
        """Read all values once.

        Args:
            progress: called with the pictures read and their number.

        Raises:
            InputError: what `read` raises, for the first picture that is wrong.
        """
        for number, name in enumerate(sorted(self.names), start=1):
            stack_vectors([name], self._vectors, self._layout(name)[0][0], self.dim, self.path)
            progress(number, len(self.names))

    def stored_shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a dataset as it is in the file."""
        return self._layout(name)[2].shape

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_file": None}

    def _key(self, image_id: str) -> str | None:
        return self._keys.get(picture_id(image_id))

    @cached_property
    def _first_shape(self) -> tuple[int, int]:
        first = min(self.names - {BLANK}, default=BLANK if self.has_blank else None)
        if first is None:
            raise InputError("expected a dataset for each image id, found none", self.path)
        return self._layout(first)[0]

    def _layout(self, key: str) -> tuple[tuple[int, int], np.dtype, h5py.h5d.DatasetID]:
        """The shape `[k, f]`, the dtype and the dataset of a picture."""
        # The low-level interface opens and reads a small dataset in less than half the time.
        with damage(self.path, f"floats of shape [k, f] at {key!r}", "a group or data that cannot be read"):
            dataset = h5py.h5d.open(self.file.id, key.encode("utf-8", "surrogateescape"))
            shape, dtype = dataset.shape, dataset.dtype
        zhang = len(shape) == 4 and shape[0] == 1
        if dtype.kind != "f" or not (zhang or len(shape) == 2):
            found = f"{dtype} of shape {shape}"
            raise InputError(f"expected floats of shape [k, f] at {key!r}, found {found}", self.path)
        return ((shape[2] * shape[3], shape[1]) if zhang else shape), dtype, dataset

    def _vectors(self, key: str, count: int | None = None) -> np.ndarray:
        (number, width), dtype, dataset = self._layout(key)
        if number * width * dtype.itemsize > _LARGEST:
            raise InputError(f"expected at most 1 GiB at {key!r}, found the shape {dataset.shape}", self.path)
        with damage(self.path, f"floats at {key!r}", "data that cannot be read"):
            vectors = np.empty(dataset.shape, dtype)
            dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, vectors)
        return vectors[0].reshape(width, number).T[:count] if vectors.ndim == 4 else vectors[:count]


def open_store(features: FeatureStore | str | os.PathLike) -> FeatureStore:
    """Open a feature store if `features` is a path; return a store as it is."""
    return FeatureStore(features) if isinstance(features, (str, os.PathLike)) else features


def stack_vectors(
    keys: Sequence[str | None], vectors_of: Callable[[str], np.ndarray], count: int, dim: int, path: str | os.PathLike
) -> tuple[np.ndarray, np.ndarray]:
    """Stack the first `count` vectors of each picture.

    Args:
        keys: one per post; `None` gives zeros and an empty mask.
        vectors_of: returns a picture's vectors `[k, dim]`.
        count: the maximum number of vectors per picture.
        dim: the width of a vector.
        path: the source, for error messages.

    Returns:
        features float32 `[len(keys), count, dim]` and mask bool `[len(keys), count]`.

    Raises:
        InputError: vectors of another width, NaN or infinity.
    """
    features = np.zeros((len(keys), count, dim), "float32")
    mask = np.zeros((len(keys), count), bool)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite and is reported below
        for row, key in enumerate(keys):
            if key is None:
                continue
            vectors = vectors_of(key)[:count]
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


def open_hdf5(path: str | os.PathLike, expected: str = "a feature store (HDF5)") -> h5py.File:
    """Open an HDF5 file for reading.

    Args:
        path: the file.
        expected: what the caller needs, for the error message.

    Raises:
        InputError: a folder, a file of another kind, a truncated or damaged file, a file that another process holds
            open for writing or that may not be read.
    """
    if os.path.isdir(path):
        raise InputError(f"expected {expected}, found a folder", path)
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise InputError(f"expected {expected}, found no such file", path) from None
    except PermissionError:
        raise InputError("no permission to read the file", path) from None
    except Exception as error:  # noqa: BLE001 (h5py raises whatever a damaged header leads to)
        reason = str(error)
        if isinstance(error, BlockingIOError) or "unable to lock file" in reason or "already open for" in reason:
            raise InputError("another process holds the file open for writing: wait until it ends", path) from None
        if "truncated file" in reason:
            raise InputError(f"expected {expected}, found a truncated file: copy or create it again", path) from None
        with contextlib.suppress(OSError):
            if h5py.is_hdf5(path):
                raise InputError(f"expected {expected}, found a damaged HDF5 file", path) from None
        raise InputError(f"expected {expected}, found another kind of file", path) from None


def read_head(file: h5py.File, path: str | os.PathLike) -> tuple[set[str], dict[str, Any]]:
    """Read the names of a file's datasets and its root attributes.

    Raises:
        InputError: a damaged file, a name or an attribute that is not Unicode.
    """
    with damage(path, "a dataset per image id"):
        names, attributes = set(file), _attributes(file)
    for name in (*names, *attributes):
        if not isinstance(name, str):
            raise InputError(f"expected image ids in Unicode, found {name!r} (damaged file?)", path)
    return names, attributes


def _attributes(item: h5py.HLObject) -> dict[str, Any]:
    """Read the attributes of a file or dataset; a damaged shape may claim billions of values."""
    for name in item.attrs:
        if math.prod(item.attrs.get_id(name).shape or ()) > _MOST_VALUES:
            raise ValueError(f"attribute {name!r} is too large")
    found = dict(item.attrs)
    # Strings of fixed length are bytes in h5py.
    return {
        key: value.decode("utf-8", "replace") if isinstance(value, bytes) else value for key, value in found.items()
    }


@contextlib.contextmanager
def damage(path: str | os.PathLike, expected: str, found: str = "data that cannot be read") -> Iterator[None]:
    """Turn every error that h5py raises inside the block for a damaged file into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 (OSError, KeyError, RuntimeError, ValueError, MemoryError, ...)
        raise InputError(f"expected {expected}, found {found} (damaged file?)", path) from error
