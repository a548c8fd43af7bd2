"""`FeatureStore`: the pictures' features in one HDF5 file, read by the batch."""

from __future__ import annotations

import os
from collections.abc import Sequence

import h5py
import numpy as np

from mner_keras.errors import InputError
from mner_keras.files import file_sha256
from mner_keras.vision.picture_objects import PictureObjects

PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
BLANK = "_blank"


class FeatureStore:
    """Features of pictures by image id: regions or objects, `k` vectors of width `f` a picture.

    The file holds one dataset an image id at its root, `[k, f]`, float16 or float32; `_blank` for the blank picture;
    root attributes for the extractor, its weights and their hash. HDF5 files of VGG16 features keyed by image id with
    the shape `(1, 512, 7, 7)`, as Zhang et al. (2018) gave them out, are read as 49 regions of 512, row by row.
    The file is opened when it is first read, so that a store can be handed to worker processes.

    Args:
        path: the HDF5 file.

    Raises:
        InputError: no such file, no HDF5, no features in it.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = os.fspath(path)
        self._file: h5py.File | None = None
        self._names: frozenset[str] = frozenset(self.file)
        first = next((name for name in self.file if name != BLANK), BLANK if self._names else None)
        if first is None:
            raise InputError("expected a dataset for each image id, found none", self.path)
        shape = self._vectors(first).shape
        self.count, self.dim = int(shape[0]), int(shape[1])
        """Vectors of the first picture in the file, and their width."""

    @property
    def file(self) -> h5py.File:
        """The open file."""
        if self._file is None:
            try:
                self._file = h5py.File(self.path, "r")
            except FileNotFoundError:
                raise InputError("expected a feature store, found no such file", self.path) from None
            except OSError as error:
                raise InputError("expected an HDF5 file of features, found another kind of file", self.path) from error
        return self._file

    @property
    def attributes(self) -> dict[str, str]:
        """What the file says of its making: `extractor`, `weights`, `weights_hash`, ..."""
        return {key: str(value) for key, value in self.file.attrs.items()}

    def sha256(self) -> str:
        """The SHA-256 of the file."""
        return file_sha256(self.path)

    def __contains__(self, image_id: object) -> bool:
        return isinstance(image_id, str) and self._key(image_id) is not None

    def __len__(self) -> int:
        return len(self._names - {BLANK})

    def read(self, image_ids: Sequence[str | None], count: int) -> tuple[np.ndarray, np.ndarray]:
        """The first `count` vectors of each picture.

        Args:
            image_ids: one id a post; `None`, or an id that the store does not hold, gives zeros and an empty mask.
            count: how many vectors a picture gives at most.

        Returns:
            features float32 `[len(image_ids), count, f]` and mask bool `[len(image_ids), count]`.

        Raises:
            InputError: a picture's vectors have another width than the first one's.
        """
        features = np.zeros((len(image_ids), count, self.dim), "float32")
        mask = np.zeros((len(image_ids), count), bool)
        for row, image_id in enumerate(image_ids):
            key = None if image_id is None else self._key(image_id)
            if key is None:
                continue
            vectors = self._vectors(key, count)
            if vectors.shape[1] != self.dim:
                raise InputError(f"expected vectors of {self.dim} at {key!r}, found {vectors.shape[1]}", self.path)
            features[row, : len(vectors)] = vectors
            mask[row, : len(vectors)] = True
        return features, mask

    def blank(self, count: int) -> np.ndarray:
        """The blank picture's vectors, float32 `[count, f]`: the store's own, else zeros."""
        vectors = np.zeros((count, self.dim), "float32")
        if BLANK in self._names:
            stored = self._vectors(BLANK, count)
            vectors[: len(stored)] = stored
        return vectors

    def objects(self, image_id: str | None, count: int) -> PictureObjects:
        """Names, boxes and scores of a picture's first `count` objects, as far as the store holds them."""
        key = None if image_id is None else self._key(image_id)
        return PictureObjects.of({} if key is None else dict(self.file[key].attrs), count)

    def close(self) -> None:
        """Close the file; it opens again when it is next read."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_file": None}

    def _key(self, image_id: str) -> str | None:
        if image_id == BLANK:
            return None
        if image_id in self._names:
            return image_id
        # Zhang et al. key their file by the picture's file name.
        return next((image_id + ending for ending in PICTURE_ENDINGS if image_id + ending in self._names), None)

    def _vectors(self, key: str, count: int | None = None) -> np.ndarray:
        # The low-level interface opens and reads a small dataset in less than half the time.
        try:
            dataset = h5py.h5d.open(self.file.id, key.encode())
        except (KeyError, ValueError, RuntimeError):
            raise InputError(f"expected floats of shape [k, f] at {key!r}, found a group", self.path) from None
        shape, dtype = dataset.shape, dataset.dtype
        zhang = len(shape) == 4 and shape[0] == 1
        if dtype.kind != "f" or not (zhang or len(shape) == 2):
            found = f"{dtype} of shape {shape}"
            raise InputError(f"expected floats of shape [k, f] at {key!r}, found {found}", self.path)
        vectors = np.empty(shape, dtype)
        try:
            dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, vectors)
        except OSError:
            raise InputError(f"expected floats at {key!r}, found data that cannot be read", self.path) from None
        return vectors[0].reshape(shape[1], -1).T[:count] if zhang else vectors[:count]


def open_store(features: FeatureStore | str | os.PathLike) -> FeatureStore:
    """A feature store, opened if a path was given; what reads like one is taken as it is."""
    return FeatureStore(features) if isinstance(features, (str, os.PathLike)) else features
