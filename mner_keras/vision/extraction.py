"""Turn pictures into features: into a store, or on demand."""

import csv
import dataclasses
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from mner_keras.errors import InputError
from mner_keras.files import Progress, no_progress, package_versions
from mner_keras.vision.feature_writer import FeatureWriter, check_id
from mner_keras.vision.pictures import BLANK, PictureError, PictureObjects, open_picture
from mner_keras.vision.visual_input import VisualInput, names_by_id, stack_vectors

PACKAGES = ("mner-keras", "keras", "keras-hub", "pillow", "numpy", "h5py")  # a store records their versions
_KEPT = 256  # pictures; with more of them, `PictureFeatures` forgets what it has made


class Extractor(Protocol):
    """A class that turns pictures into vectors.

    Attributes:
        attributes: `extractor` (its name), `kind` (`regions` or `objects`), `feature_dim`, and where it has any
            `weights`, `weights_hash`, `preprocessing`, `options` (its arguments, as JSON); a store's root attributes.
        blank_size: width and height of the blank picture, in pixels.
    """

    attributes: dict[str, Any]
    blank_size: tuple[int, int]

    def prepare(self, picture: Image.Image) -> Any:
        """Return what `extract` needs of an RGB picture; called from several threads."""

    def extract(self, prepared: list[Any]) -> list[dict[str, Any]]:
        """Return each picture's `vectors` `[k, f]`, and for objects also `names`, `boxes` and `scores`."""


@dataclasses.dataclass(frozen=True)
class Extraction:
    """The result of an extraction."""

    path: Path  # the store
    added: int  # pictures
    kept: int  # pictures that the store contained before
    failed: dict[str, str]  # the reason by path, for pictures that could not be read; also in `<path>.errors.csv`
    seconds: float


def extract_features(
    pictures: Mapping[str, str | os.PathLike],
    extractor: Extractor,
    path: str | os.PathLike,
    dtype: str = "float32",
    batch_size: int = 16,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Extraction:
    """Write the features of pictures, and those of a blank (white) picture, into a store.

    Pictures that the store contains already are skipped, so an interrupted extraction continues where it stopped. An
    unreadable picture is skipped, so that its post gets the blank picture, and listed in `<path>.errors.csv`.

    Args:
        pictures: paths by image id.
        path, dtype, overwrite: see `FeatureWriter`, whose errors are raised.
        batch_size: pictures per batch.
        progress: called with the pictures done and their number.
    """
    if batch_size < 1:
        raise InputError(f"expected a batch size of at least 1, found {batch_size}")
    started = time.monotonic()
    failed: dict[str, str] = {}
    attributes = {**extractor.attributes, "versions": versions()}
    with FeatureWriter(path, attributes, dtype, overwrite) as writer, ThreadPoolExecutor() as pool:
        todo = [(image_id, place) for image_id, place in pictures.items() if image_id not in writer]
        kept = len(pictures) - len(todo)
        progress(kept, len(pictures))
        if BLANK not in writer:
            writer.add(BLANK, **blank_features(extractor))

        def prepare(item: tuple[str, str | os.PathLike]) -> Any:
            try:
                check_id(item[0])
                return extractor.prepare(open_picture(item[1]))
            except PictureError as error:
                return error
            except InputError:
                return PictureError("its name is not Unicode", item[1])

        batches = [todo[start : start + batch_size] for start in range(0, len(todo), batch_size)]
        reading = (pool.map(prepare, batch) for batch in batches)
        following = next(reading, ())
        done = kept
        for batch in batches:
            present, following = following, next(reading, ())  # threads read on while a batch is computed
            prepared = {}
            for (image_id, place), found in zip(batch, present, strict=True):
                if isinstance(found, PictureError):
                    failed[os.fspath(place)] = found.reason
                else:
                    prepared[image_id] = found
            for image_id, features in _extract(extractor, prepared):
                writer.add(image_id, **features)
            done += len(batch)
            progress(done, len(pictures))
    errors = Path(f"{os.fspath(path)}.errors.csv")
    errors.unlink(missing_ok=True)
    if failed:
        # A file name need not be Unicode: its bytes stay as they are.
        with open(errors, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("picture", "reason"), *failed.items()])
    return Extraction(Path(path), len(todo) - len(failed), kept, failed, time.monotonic() - started)


class PictureFeatures:
    """Reads like a `FeatureStore`, but extracts the features of the requested pictures.

    Args:
        pictures: paths or PIL images by image id.

    Attributes:
        failed: the reason by image id, for pictures that could not be read; they read like ones that are not there.
    """

    path = "pictures"  # what an error message calls it

    def __init__(self, pictures: Mapping[str, str | os.PathLike | Image.Image], extractor: Extractor) -> None:
        self.pictures = {image_id: pictures[name] for image_id, name in names_by_id(pictures).items()}
        self.extractor = extractor
        self.dim = int(extractor.attributes["feature_dim"])
        self.failed: dict[str, str] = {}
        self._made: dict[str, dict[str, Any]] = {}

    def __contains__(self, image_id: object) -> bool:
        return image_id in self.pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def read(self, image_ids: Sequence[str | None], count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return each picture's first `count` vectors, float32 `[len(image_ids), count, f]`, and mask `[.., count]`."""
        found = {image_id: features["vectors"] for image_id, features in self._make(image_ids).items()}
        return stack_vectors(image_ids, found, count, self.dim, self.path)

    def objects(self, image_id: str | None, count: int) -> PictureObjects:
        """Return names, boxes and scores of a picture's first `count` objects, as far as the extractor has them."""
        return PictureObjects.of(self._make([image_id]).get(image_id, {}), count)

    def _make(self, image_ids: Sequence[str | None]) -> dict[str, dict[str, Any]]:
        """Return the features of all pictures so far, after extracting those that are new."""
        if len(self._made) > _KEPT:
            self._made.clear()
        prepared = {}
        for image_id in dict.fromkeys(image_ids):
            if image_id not in self.pictures or image_id in self._made or image_id in self.failed:
                continue
            try:
                prepared[image_id] = self.extractor.prepare(open_picture(self.pictures[image_id]))
            except (PictureError, TypeError) as error:
                self.failed[image_id] = str(error)
        self._made.update(_extract(self.extractor, prepared))
        return self._made


def load_extractor(
    visual: VisualInput | None, weights: str | os.PathLike | None = None, progress: Progress = no_progress
) -> Extractor:
    """Return the extractor that made the features that a model was trained on.

    Args:
        visual: the visual input of the model's preprocessor.
        weights: a file of weights or a folder of a KerasHub preset; by default the published ones, downloaded.
        progress: called with the bytes of a download done and their number.

    Raises:
        InputError: a model that reads no pictures or was trained without them, features that this package cannot make,
            other weights than those that the features were made with.
    """
    if visual is None:
        raise InputError("the model reads the text alone: it takes no pictures")
    if not visual.pictures or visual.extractor is None:
        raise InputError("the model was trained without pictures: it takes none")
    if visual.extractor == "words":
        raise InputError("the model's features came from words: use --features with a store of words, not pictures")
    options = json.loads(visual.options or "{}")
    if visual.extractor == "tiles":
        from mner_keras.vision.tiles import TilesExtractor

        if weights is not None:
            raise InputError("the model's features, tiles, are made without weights: --weights names some", weights)
        extractor = TilesExtractor(visual.kind, visual.count)
    elif visual.extractor == "vgg16":
        from mner_keras.vision.vgg16 import VGG16Regions

        extractor = VGG16Regions(weights, batch_size=4)  # one picture alone is not made to wait for many
    elif visual.extractor == "backbone":
        from mner_keras.vision.backbones import BackboneRegions

        if (preset := weights or options.get("preset")) is None:
            raise InputError("the model's features came from a KerasHub preset in a folder: name it with --weights")
        extractor = BackboneRegions(preset, batch_size=4)
    elif visual.extractor == "mask-rcnn":
        from mner_keras.vision.mask_rcnn import MaskRCNNObjects

        known = ("top", "min_score", "side", "num_proposals")
        if unknown := options.keys() - set(known):
            expected, found = f"options of Mask R-CNN ({', '.join(known)})", ", ".join(sorted(unknown))
            raise InputError(f"expected {expected}, found {found}: the model is of another version")
        extractor = MaskRCNNObjects(weights, **options, progress=progress)
    else:
        expected = "features that this package can make (vgg16, mask-rcnn, tiles, backbone)"
        raise InputError(f"expected {expected}, found {visual.extractor!r}: this model takes pictures from a store")
    made_with, found = visual.weights_hash, extractor.attributes.get("weights_hash")
    if made_with and made_with != found:
        expected = f"the weights that the model's features were made with ({made_with[:12]}...)"
        raise InputError(f"expected {expected}, found others ({found[:12]}...); --weights names a file", weights)
    return extractor


def blank_features(extractor: Extractor) -> dict[str, Any]:
    """Extract the features of the blank picture, which is white."""
    return extractor.extract([extractor.prepare(Image.new("RGB", extractor.blank_size, "white"))])[0]


def _extract(extractor: Extractor, prepared: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return zip(prepared, extractor.extract(list(prepared.values())) if prepared else (), strict=True)


def versions() -> str:
    """Return the versions of the packages that create a store, as `package version, ...`."""
    return ", ".join(f"{package} {version}" for package, version in package_versions(PACKAGES).items())
