"""Turn pictures into features: into a store, or on demand."""

from __future__ import annotations

import csv
import dataclasses
import importlib.metadata
import os
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from mner_keras.errors import InputError
from mner_keras.files import Progress, no_progress, write_whole
from mner_keras.vision.feature_store import PictureObjects, stack_vectors
from mner_keras.vision.feature_writer import FeatureWriter, check_id
from mner_keras.vision.pictures import BLANK, PictureError, names_by_id, open_picture

PACKAGES = ("mner-keras", "keras", "pillow", "numpy", "h5py")
"""Packages whose versions a store records."""

_KEPT = 256  # pictures whose features `PictureFeatures` remembers


class Extractor(Protocol):
    """What turns pictures into vectors.

    Attributes:
        attributes: `extractor` (its name), `kind` (`regions` or `objects`), `feature_dim`, and where it has any
            `weights`, `weights_hash`, `preprocessing`, `options` (its arguments, as JSON); a store's root attributes.
        blank_size: width and height of the blank picture, in pixels.
    """

    attributes: dict[str, Any]
    blank_size: tuple[int, int]

    def prepare(self, picture: Image.Image) -> Any:
        """What the extractor needs of an RGB picture; called from several threads."""

    def extract(self, prepared: list[Any]) -> list[dict[str, Any]]:
        """For each picture `vectors` `[k, f]`, and for objects `names`, `boxes` and `scores`."""


@dataclasses.dataclass(frozen=True)
class Extraction:
    """What came of an extraction.

    Args:
        path: the store.
        added: pictures that this run added.
        kept: pictures that the store held already.
        failed: path and reason of each picture that could not be read.
        errors_path: the list of them, `None` where there is none.
        seconds: what this run took.
    """

    path: Path
    added: int
    kept: int
    failed: tuple[tuple[str, str], ...]
    errors_path: Path | None
    seconds: float

    @property
    def failed_share(self) -> float:
        """The share of the pictures that could not be read."""
        return len(self.failed) / max(1, self.added + self.kept + len(self.failed))


def extract_features(
    pictures: Mapping[str, str | os.PathLike],
    extractor: Extractor,
    path: str | os.PathLike,
    dtype: str = "float32",
    batch_size: int = 16,
    overwrite: bool = False,
    workers: int | None = None,
    shard_seconds: float = 20.0,
    progress: Progress = no_progress,
) -> Extraction:
    """Write the features of pictures into a store, which also gets those of the blank picture, a white one.

    Pictures that the store holds are passed over, so a killed extraction goes on where it was. A picture that cannot be
    read is left out of the store, so that its post gets the blank picture, and listed in `<path>.errors.csv`.

    Args:
        pictures: paths by image id.
        extractor: turns pictures into vectors.
        path: the store.
        dtype: `"float16"` or `"float32"`.
        batch_size: pictures computed at once.
        overwrite: whether to replace a feature store that is there.
        workers: threads that read pictures; one a core by default, four at least.
        shard_seconds: how much computing a killed run loses at most.
        progress: called with the pictures done and their number.

    Raises:
        InputError: a place that cannot be written, a store of another extractor, weights or dtype.
    """
    if batch_size < 1:
        raise InputError(f"expected a batch size of at least 1, found {batch_size}")
    started = time.monotonic()
    failed: dict[str, str] = {}
    attributes = {**extractor.attributes, "versions": versions()}
    with FeatureWriter(path, attributes, dtype, overwrite, shard_seconds) as writer:
        kept = len(pictures.keys() & set(writer.ids()))
        todo = [(image_id, place) for image_id, place in pictures.items() if image_id not in writer]
        done = len(pictures) - len(todo)
        progress(done, len(pictures))
        if BLANK not in writer:
            writer.add(BLANK, **blank_features(extractor))
        batch: list[tuple[str, Any]] = []

        def compute() -> None:
            for (image_id, _), found in zip(batch, extractor.extract([item for _, item in batch]), strict=True):
                writer.add(image_id, **found)
            batch.clear()

        for image_id, place, prepared in _prepared(todo, extractor, workers, 2 * batch_size):
            done += 1
            if isinstance(prepared, PictureError):
                failed[os.fspath(place)] = prepared.reason
            else:
                batch.append((image_id, prepared))
            if len(batch) >= batch_size:
                compute()
                progress(done, len(pictures))
        if batch:
            compute()
        progress(done, len(pictures))
    added = len(todo) - len(failed)
    errors = _write_errors(Path(path), failed)
    return Extraction(Path(path), added, kept, tuple(failed.items()), errors, time.monotonic() - started)


class PictureFeatures:
    """Reads like a `FeatureStore`, but makes the features of the pictures that are asked for.

    Args:
        pictures: paths or PIL images by image id.
        extractor: turns pictures into vectors.

    Attributes:
        failed: the reason by image id, for pictures that could not be read; they read like ones that are not there.
    """

    path = "pictures"
    """What an error message calls it."""

    def __init__(self, pictures: Mapping[str, str | os.PathLike | Image.Image], extractor: Extractor) -> None:
        self.pictures = {image_id: pictures[name] for image_id, name in names_by_id(pictures).items()}
        self.extractor = extractor
        self.dim = int(extractor.attributes["feature_dim"])
        self.failed: dict[str, str] = {}
        self._made: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def __contains__(self, image_id: object) -> bool:
        return image_id in self.pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def read(self, image_ids: Sequence[str | None], count: int) -> tuple[np.ndarray, np.ndarray]:
        """The first `count` vectors of each picture: float32 `[len(image_ids), count, f]` and mask `[.., count]`."""
        found = self._make([image_id for image_id in dict.fromkeys(image_ids) if image_id in self.pictures])
        keys = [image_id if image_id in found else None for image_id in image_ids]
        return stack_vectors(keys, lambda key: found[key]["vectors"], count, self.dim, self.path)

    def objects(self, image_id: str | None, count: int) -> PictureObjects:
        """Names, boxes and scores of a picture's first `count` objects, as far as the extractor tells them."""
        found = self._make([image_id] if image_id in self.pictures else [])
        return PictureObjects.of(found.get(image_id, {}), count)

    def _make(self, image_ids: list[str]) -> dict[str, dict[str, Any]]:
        found = {image_id: self._made[image_id] for image_id in image_ids if image_id in self._made}
        prepared = {}
        for image_id in image_ids:
            if image_id in found or image_id in self.failed:
                continue
            try:
                prepared[image_id] = self.extractor.prepare(open_picture(self.pictures[image_id]))
            except PictureError as error:
                self.failed[image_id] = str(error)
        if prepared:
            made = self.extractor.extract(list(prepared.values()))
            found.update(zip(prepared, made, strict=True))
        self._made.update(found)
        while len(self._made) > _KEPT:
            self._made.popitem(last=False)
        return found


def blank_features(extractor: Extractor) -> dict[str, Any]:
    """Extract the features of the blank picture, which is white."""
    return extractor.extract([extractor.prepare(Image.new("RGB", extractor.blank_size, "white"))])[0]


def versions() -> str:
    """The versions of what made a store, as `package version, ...`."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def _prepared(
    todo: Iterable[tuple[str, Any]], extractor: Extractor, workers: int | None, ahead: int
) -> Iterator[tuple[str, Any, Any]]:
    """Pictures in their order, read by threads, at most `ahead` of them before they are needed."""
    waiting: deque[tuple[str, Any, Future]] = deque()
    places = iter(todo)
    pool = ThreadPoolExecutor(workers or max(4, os.cpu_count() or 1))
    try:
        while True:
            for image_id, place in islice(places, ahead - len(waiting)):
                waiting.append((image_id, place, pool.submit(_prepare, image_id, place, extractor)))
            if not waiting:
                return
            image_id, place, future = waiting.popleft()
            yield image_id, place, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare(image_id: str, place: str | os.PathLike, extractor: Extractor) -> Any:
    try:
        check_id(image_id)
    except InputError:
        return PictureError("its name is not Unicode")
    try:
        picture = open_picture(place)
    except PictureError as error:
        return error
    return extractor.prepare(picture)


def _write_errors(path: Path, failed: Mapping[str, str]) -> Path | None:
    """List the pictures that could not be read beside the store; no list where all could."""
    errors = path.with_name(path.name + ".errors.csv")
    if not failed:
        errors.unlink(missing_ok=True)
        return None

    def write(unfinished: Path) -> None:
        # A file name need not be Unicode: its bytes stay as they are.
        with open(unfinished, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("picture", "reason"))
            table.writerows(failed.items())

    write_whole(errors, write)
    return errors
