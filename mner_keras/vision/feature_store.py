"""`FeatureStore`: the features of pictures in an HDF5 file or a folder of them, read batch by batch."""

import contextlib
import functools
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, KeysView, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mner_keras.errors import InputError
from mner_keras.files import Progress, files_of, no_progress
from mner_keras.vision.pictures import BLANK, PictureObjects
from mner_keras.vision.visual_input import names_by_id, picture_id, stack_vectors

UNFINISHED = "unfinished"  # the root attribute of a store that is still being written
NO_BLANK = "the store has no blank picture: posts without a picture see zeros"

_LARGEST = 2**30  # bytes per picture; a damaged shape may claim terabytes
_MOST_VALUES = 2**20  # per attribute
_OPEN = 64  # files of a folder that are open at once


class FeatureStore:
    """Features of pictures by image id: regions or objects, `k` vectors of width `f` per picture.

    The file has one dataset per image id at its root, `[k, f]`, float16 or float32; `_blank` for the blank picture; and
    root attributes that describe the features. Files with a dataset `(1, 512, 7, 7)` per image id, as published by
    Zhang et al. (2018), are read as 49 regions of 512, row by row.

    A folder of such files, `part-003-of-064.h5`, is also a store if all parts are there and finished, their attributes
    agree (except `versions`), and each image id is in one of them.

    Files are opened on first use, so that worker processes can receive a store. Opening reads names, but no values.

    Args:
        path: the HDF5 file, or the folder.

    Raises:
        InputError: there is no such file. Everything else that is wrong with a file is an `InputError` on first use.

    Example:

    >>> store = FeatureStore("regions.h5")
    >>> features, mask = store.read(["113", None], count=49)
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = os.fspath(path)
        if not os.path.lexists(self.path):
            raise InputError("expected a feature store, found no such file", self.path)

    @cached_property
    def files(self) -> list[str]:
        """The paths of the HDF5 files: one, or the parts."""
        return list(map(os.fspath, files_of(self.path)))

    @property
    def names(self) -> KeysView[str]:
        """The names of the datasets: the image ids and `_blank`."""
        return self.places.keys()

    @property
    def places(self) -> dict[str, str]:
        """The file of each dataset, by its name; file by file."""
        return self._head[0]

    @property
    def attributes(self) -> dict[str, str]:
        """The root attributes that describe the features: `extractor`, `weights`, `weights_hash`, ..."""
        return self._head[1]

    @cached_property
    def _head(self) -> tuple[dict[str, str], dict[str, str]]:
        places: dict[str, str] = {}
        attributes: dict[str, str] | None = None
        versions: dict[str, None] = {}
        for path in self.files:
            names, root = read_head(self._open(path), path)
            found = {key: str(value) for key, value in root.items()}
            if path != self.path and (UNFINISHED in found or os.path.isdir(f"{path}.parts")):
                raise InputError("expected a finished part: repeat the command that wrote it", path)
            if "versions" in found:
                versions[found.pop("versions")] = None
            attributes = found if attributes is None else attributes
            if key := min(dict(attributes.items() ^ found.items()), default=""):
                first = f"{attributes.get(key)!r} as in {self.files[0]}"
                raise InputError(f"expected {key} {first}, found {found.get(key)!r}", path)
            for name in sorted(names):
                if places.setdefault(name, path) != path and name != BLANK:
                    raise InputError(f"expected a picture in one part, found {name!r} also in {places[name]}", path)
        return places, attributes | ({"versions": " and ".join(versions)} if versions else {})

    @cached_property
    def _open(self) -> Callable[[str], h5py.File]:
        """Open a file, or return it if it is one of the last; others are closed when nobody refers to them any more."""
        return functools.lru_cache(_OPEN)(open_hdf5 if os.path.isfile(self.path) else _open_part)

    @cached_property
    def _keys(self) -> dict[str, str]:
        """The name of the dataset of each image id. Zhang et al. use the picture's file name."""
        return names_by_id(sorted(self.names - {BLANK}), self.path)

    @property
    def count(self) -> int:
        """Vectors of the first picture in the file."""
        return self._first_shape[0]

    @property
    def dim(self) -> int:
        """Width of the first picture's vectors."""
        return self._first_shape[1]

    @property
    def lacks_blank(self) -> bool:
        """Whether posts without a picture see zeros: regions without a blank picture. Objects need none."""
        return BLANK not in self.names and self.attributes.get("kind", "regions") == "regions"

    @property
    def has_captions(self) -> bool:
        """Whether the first picture has a caption."""
        return self.caption(min(self._keys, default=None)) is not None

    def __contains__(self, image_id: object) -> bool:
        return self._key(image_id) is not None

    def __len__(self) -> int:
        return len(self.names) - (BLANK in self.names)

    def read(self, image_ids: Sequence[str | None], count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return each picture's first `count` vectors, float32 `[len(image_ids), count, f]`, and mask `[.., count]`.

        `None` or an id that is not in the store gives zeros and an empty mask.

        Raises:
            InputError: damaged data, NaN, infinity, or vectors of another width than the first picture's.
        """
        return self._read([self._key(image_id) for image_id in image_ids], count)

    def blank(self, count: int) -> np.ndarray:
        """Read the blank picture's vectors, float32 `[count, f]`; zeros if the store has none."""
        return self._read([BLANK if BLANK in self.names else None], count)[0][0]

    def objects(self, image_id: str | None, count: int) -> PictureObjects:
        """Read names, boxes and scores of a picture's first `count` objects, as far as the store has them."""
        with damage(self.path, f"names, boxes and scores at {image_id!r}"):
            return PictureObjects.of(self._about(image_id), count)

    def caption(self, image_id: str | None) -> str | None:
        """Read the caption of a picture; `None` if the store has none."""
        with damage(self.path, f"a caption at {image_id!r}"):
            return self._about(image_id).get("caption")

    def describe(self) -> dict[str, Any]:
        """Summarise the store; `vectors` are the numbers of pictures by their number of vectors."""
        vectors: Counter[int] = Counter()
        dtypes = set()
        for name in self.names:
            dataset = self.dataset(name)
            dtypes.add(str(dataset.dtype))
            vectors[_shape(dataset)[0]] += name != BLANK
        attributes = dict(self.attributes)
        return {
            "path": self.path,
            "bytes": sum(map(os.path.getsize, self.files)),
            "pictures": len(self),
            "blank": BLANK in self.names,
            "vectors": dict(sorted((+vectors).items())),
            "width": self.dim,
            "dtype": " and ".join(sorted(dtypes)),
            "finished": not attributes.pop(UNFINISHED, False) and not Path(f"{self.path}.parts").is_dir(),
            "attributes": attributes,
        }

    def check(self, progress: Progress = no_progress) -> None:
        """Read all values once; raise what `read` raises for the first picture that is wrong."""
        for number, name in enumerate(self.names, start=1):
            self._read([name], _shape(self.dataset(name))[0])
            progress(number, len(self.names))

    def dataset(self, key: str) -> h5py.h5d.DatasetID:
        """Open the dataset of a name; one that holds no vectors is an `InputError`."""
        path = self.places[key]
        # The low-level interface opens and reads a small dataset in less than half the time.
        with damage(path, f"floats of shape [k, f] at {key!r}", "a group or data that cannot be read"):
            dataset = h5py.h5d.open(self._open(path).id, key.encode("utf-8", "surrogateescape"))
            shape, dtype = dataset.shape, dataset.dtype
        if dtype.kind != "f" or not (len(shape) == 2 or len(shape) == 4 and shape[0] == 1):
            raise InputError(f"expected floats of shape [k, f] at {key!r}, found {dtype} of shape {shape}", path)
        return dataset

    def close(self) -> None:
        """Close all files; the next read opens them again."""
        self.__dict__.pop("_open", None)

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name != "_open"}

    def _key(self, image_id: object) -> str | None:
        return self._keys.get(picture_id(image_id)) if isinstance(image_id, str) else None

    def _about(self, image_id: str | None) -> dict[str, Any]:
        key = self._key(image_id)
        return {} if key is None else _attributes(self._open(self.places[key])[key])

    @cached_property
    def _first_shape(self) -> tuple[int, int]:
        if not self.names:
            raise InputError("expected a dataset for each image id, found none", self.path)
        return _shape(self.dataset(min(self.names - {BLANK}, default=BLANK)))

    def _read(self, keys: Sequence[str | None], count: int) -> tuple[np.ndarray, np.ndarray]:
        vectors = {key: self._vectors(key)[:count] for key in dict.fromkeys(keys) if key is not None}
        return stack_vectors(keys, vectors, count, self.dim, self.path)

    def _vectors(self, key: str) -> np.ndarray:
        path = self.places[key]
        # The file stays open as long as a variable refers to it, whatever other threads read.
        _file, dataset = self._open(path), self.dataset(key)
        number, width = _shape(dataset)
        if number * width * dataset.dtype.itemsize > _LARGEST:
            raise InputError(f"expected at most 1 GiB at {key!r}, found the shape {dataset.shape}", path)
        with damage(path, f"floats at {key!r}"):
            vectors = np.empty(dataset.shape, dataset.dtype)
            dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, vectors)
        return vectors[0].reshape(width, number).T if vectors.ndim == 4 else vectors


def _shape(dataset: h5py.h5d.DatasetID) -> tuple[int, int]:
    """The number of vectors and their width; Zhang et al.'s maps are `(1, width, rows, columns)`."""
    shape = dataset.shape
    return (shape[2] * shape[3], shape[1]) if len(shape) == 4 else shape


def open_hdf5(path: str | os.PathLike, expected: str = "a feature store (HDF5)") -> h5py.File:
    """Open an HDF5 file for reading; an `InputError` says what was expected."""
    try:
        return h5py.File(path, "r")
    except Exception as error:  # noqa: BLE001 (h5py raises whatever a damaged header leads to)
        reason = str(error)
        if isinstance(error, PermissionError):
            raise InputError("no permission to read the file", path) from None
        if isinstance(error, BlockingIOError) or "unable to lock file" in reason or "already open for" in reason:
            raise InputError("another process holds the file open for writing: wait until it ends", path) from None
        if not os.path.isfile(path):
            found = "a folder" if os.path.isdir(path) else "no such file"
        elif "truncated file" in reason:
            found = "a truncated file: copy or create it again"
        else:
            found = "a damaged HDF5 file" if h5py.is_hdf5(path) else "another kind of file"
        raise InputError(f"expected {expected}, found {found}", path) from None


def _open_part(path: str) -> h5py.File:
    """Open one of many files with a small cache of metadata, which could otherwise grow to 32 MB per file."""
    file = open_hdf5(path)
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.min_size = config.max_size = 2**19
    file.id.set_mdc_config(config)
    return file


def read_head(file: h5py.File, path: str | os.PathLike) -> tuple[set[str], dict[str, Any]]:
    """Read the names of a file's datasets and its root attributes; all are Unicode."""
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
    # Strings of fixed length are bytes in h5py.
    return {
        key: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        for key, value in item.attrs.items()
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
