"""`FeatureWriter`: write a feature store that a killed process leaves valid and a second one completes."""

import contextlib
import functools
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np

from mner_keras.errors import InputError
from mner_keras.files import Lock, Progress, no_progress, write_whole
from mner_keras.vision.feature_store import UNFINISHED, FeatureStore, open_hdf5, read_head
from mner_keras.vision.pictures import BLANK
from mner_keras.vision.visual_input import picture_id

DTYPES = ("float16", "float32")
LOCK = "lock"
_SAME = ("extractor", "weights_hash", "preprocessing", "options", "source_hash", "precision", "dtype")
SHARD_SECONDS = 20.0  # after so much computing, or so many bytes, a shard is finished: a killed run loses no more
_SHARD_BYTES = 64 * 2**20
_MOST_SHARDS = 200  # a process may open about a thousand files


class FeatureWriter:
    """Writes the features of pictures, one by one, into a store.

    Vectors are collected in shards in the folder `<path>.parts`. Whenever the shards contain as much as the store, both
    are merged into a new file, which replaces the store. Files are renamed when they are complete, so the store is
    valid at any moment, and the next writer of the same path continues after the last finished shard. The finished
    store does not depend on interruptions: its pictures are in the order of their ids.

    As a context manager it ends with `finish`, or after an exception with `flush` and `close`.

    Args:
        path: the store.
        attributes: root attributes, `extractor` among them; those that describe features (`weights_hash`, `options`,
            ...) must be the same in an existing store.
        dtype: `"float16"` or `"float32"`.
        overwrite: whether to replace an existing feature store instead of continuing it.

    Raises:
        InputError: `path` holds something else than such a store, or another process is writing it.

    Example:

    >>> with FeatureWriter("regions.h5", {"extractor": "mine"}) as writer:
    ...     writer.add("113", np.zeros((49, 512)))
    """

    def __init__(
        self, path: str | os.PathLike, attributes: Mapping[str, Any], dtype: str = "float32", overwrite: bool = False
    ) -> None:
        check_target(path, dtype)
        if "extractor" not in attributes:
            raise ValueError(f"`attributes` must name the extractor. Received: {sorted(attributes)}")
        self.path = Path(path)
        self.parts = self.path.with_name(self.path.name + ".parts")
        self._replaced = self.parts / "replaced"  # a store to replace, until the new one is finished
        self.dtype = dtype
        self.attributes = {**{key: value for key, value in attributes.items() if value is not None}, "dtype": dtype}
        self._gathered: dict[str, tuple[np.ndarray, dict[str, Any]]] = {}
        self._bytes, self._since = 0, time.monotonic()
        self._places: dict[str, Path] = {}  # of each picture that is written the file: the store or a shard
        self._finished = False
        self.parts.mkdir(exist_ok=True)
        self._lock = Lock(self.parts / LOCK, "another process is writing this store", self.path)
        try:
            self._take_over(overwrite)
        except BaseException:
            self.close()
            raise

    def __contains__(self, image_id: str) -> bool:
        image_id = picture_id(image_id)
        return image_id in self._places or image_id in self._gathered

    def __len__(self) -> int:
        """Pictures so far, the blank one not counted."""
        return len((self._places.keys() | self._gathered.keys()) - {BLANK})

    def add(
        self,
        image_id: str,
        vectors: np.ndarray,
        names: list[str] | None = None,
        boxes: np.ndarray | None = None,
        scores: np.ndarray | None = None,
        caption: str | None = None,
    ) -> None:
        """Add a picture's vectors, floats `[k, f]`, and what `PictureObjects` describes; `_blank` is the blank picture.

        Raises:
            InputError: an id that is there already, or that HDF5 cannot hold; vectors that do not fit the dtype.
        """
        check_id(image_id)
        image_id = picture_id(image_id)
        if image_id in self:
            raise InputError(f"expected a picture once, found {image_id!r} twice", self.path)
        with np.errstate(over="ignore"):
            stored = np.asarray(vectors).astype(self.dtype)
        if stored.ndim != 2:
            raise InputError(f"expected vectors of shape [k, f] at {image_id!r}, found {stored.shape}", self.path)
        if not np.isfinite(stored).all():
            raise InputError(f"expected finite numbers in {self.dtype} at {image_id!r}, found others", self.path)
        given = {"names": names, "boxes": boxes, "scores": scores}
        about = {key: value for key, value in given.items() if value is not None and len(value)}
        for key, value in about.items():
            if len(value) != len(stored):
                raise InputError(f"expected {len(stored)} {key} at {image_id!r}, found {len(value)}", self.path)
        self._gathered[image_id] = stored, {**about, **({"caption": caption} if caption else {})}
        self._bytes += stored.nbytes
        if self._bytes >= _SHARD_BYTES or time.monotonic() - self._since >= SHARD_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Finish the present shard, and merge when the shards hold as much as the store."""
        self._write_shard()
        shards = [place for place in self._places.values() if place != self.path]
        if shards and (2 * len(shards) >= len(self._places) or len(set(shards)) >= _MOST_SHARDS):
            self._merge(finished=False)

    def finish(self, progress: Progress = no_progress) -> None:
        """Merge everything into the store, mark it finished and remove the shards."""
        self._write_shard()
        if not self._finished:
            self._merge(finished=True, progress=progress)

    def close(self) -> None:
        """Leave the store as it is; a later writer continues it."""
        self._lock.close()
        with contextlib.suppress(OSError):  # not empty
            self.parts.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.finish()
            elif issubclass(kind, InputError) and self._replaced.exists():
                for shard in self.parts.glob("*.h5"):
                    shard.unlink()
                os.replace(self._replaced, self.path)
            else:
                # What is computed is not computed again, unless the disk is what failed.
                with contextlib.suppress(OSError):
                    self.flush()
        finally:
            self.close()

    def _take_over(self, overwrite: bool) -> None:
        """Start from what earlier runs left, or from nothing; refuse a file that is no store in either case."""
        if os.path.lexists(self.path):
            with open_hdf5(self.path, "a feature store or no file") as file:
                names, attributes = read_head(file, self.path)
            if "extractor" not in attributes:
                raise InputError("expected a feature store of this package, found another HDF5 file", self.path)
            if overwrite:
                os.replace(self.path, self._replaced)
            else:
                self._check_same(attributes, self.path)
                self._places = dict.fromkeys(names, self.path)
                self._finished = not attributes.get(UNFINISHED, False)
        for shard in sorted(self.parts.glob("*.h5")):
            names = set()
            if not overwrite and shard.stem.isdigit():  # a killed process leaves others
                with contextlib.suppress(InputError), open_hdf5(shard) as file:
                    names, attributes = read_head(file, shard)
                if names:
                    self._check_same(attributes, shard)
            if names := names - self._places.keys():
                self._places.update(dict.fromkeys(names, shard))
                self._finished = False
            else:
                shard.unlink()  # merged already, damaged, or to be replaced

    def _check_same(self, attributes: Mapping[str, Any], path: Path) -> None:
        for key in _SAME:
            if (there := attributes.get(key)) != (ours := self.attributes.get(key)):
                found = f"expected a store of {key} {ours!r} to go on with, found {there!r}"
                raise InputError(f"{found}; --overwrite replaces it", path)

    def _write_shard(self) -> None:
        self._since = time.monotonic()
        if not self._gathered:
            return

        def write(path: Path) -> None:
            with h5py.File(path, "w") as file:
                file.attrs.update(self.attributes)
                for image_id, (vectors, about) in self._gathered.items():
                    file.create_dataset(image_id, data=vectors).attrs.update(about)

        shard = self.parts / f"{len(self._places):06d}.h5"
        write_whole(shard, write)
        self._places.update(dict.fromkeys(self._gathered, shard))
        self._gathered, self._bytes, self._finished = {}, 0, False

    def _merge(self, finished: bool, progress: Progress = no_progress) -> None:
        """Copy all into a new store in the old one's place: by id, or the files of other writers one by one."""
        files = set(self._places.values())
        foreign = not all(file == self.path or file.parent == self.parts for file in files)
        ordered = sorted(self._places.items(), key=lambda item: (foreign and str(item[1]), item[0]))

        def write(path: Path) -> None:
            opened = functools.lru_cache(1 if foreign else None)(open_hdf5)
            with h5py.File(path, "w") as target:
                target.attrs.update(self.attributes)
                if not finished:
                    target.attrs[UNFINISHED] = True
                for number, (image_id, place) in enumerate(ordered, start=1):
                    try:
                        opened(place).copy(image_id, target)
                    except (KeyError, RuntimeError, ValueError) as error:  # an OSError may be a full disk
                        raise InputError(f"expected features at {image_id!r}, found damaged data", place) from error
                    progress(number, len(ordered))

        write_whole(self.path, write)
        for shard in files.intersection(self.parts.iterdir()):
            shard.unlink()
        if finished:
            self._replaced.unlink(missing_ok=True)
        self._places = dict.fromkeys(self._places, self.path)
        self._finished = finished


def merge_parts(
    folder: str | os.PathLike, path: str | os.PathLike, overwrite: bool = False, progress: Progress = no_progress
) -> tuple[int, int]:
    """Copy the pictures in a folder of parts into one store; return how many were added and how many were there."""
    store = FeatureStore(folder)
    if not {"extractor", "dtype"} <= store.attributes.keys():
        raise InputError("expected parts that this package wrote, found other HDF5 files", folder)
    if Path(path).resolve() in (files := {file: Path(file).resolve() for file in store.files}).values():
        raise InputError("expected another file to write than the parts", path)
    with contextlib.closing(FeatureWriter(path, store.attributes, store.attributes["dtype"], overwrite)) as writer:
        kept = sum(name in writer._places for name in store.names - {BLANK})
        if kept < len(store):
            places = {name: files[file] for name, file in store.places.items()}
            writer._places, writer._finished = places | writer._places, False
        store.close()
        writer.finish(progress)
    return len(store) - kept, kept


def check_target(path: str | os.PathLike, dtype: str) -> None:
    """Raise `InputError` where no store of this dtype can be written."""
    if dtype not in DTYPES:
        raise InputError(f"expected a dtype ({', '.join(DTYPES)}), found {dtype!r}")
    if not Path(path).parent.is_dir():
        raise InputError("expected a folder to write into, found none", Path(path).parent)
    if Path(path).is_dir():
        raise InputError("expected a file to write, found a folder", path)


def check_id(image_id: str) -> None:
    """Raise `InputError` for an id that cannot name a dataset at an HDF5 file's root."""
    if not image_id or image_id in (".", "..") or "/" in image_id or "\0" in image_id:
        raise InputError(f"expected a picture's id, found {image_id!r}")
    try:
        image_id.encode()
    except UnicodeEncodeError:
        raise InputError(f"expected a picture's id in Unicode, found {image_id!r}") from None
