"""Convert the features that authors published into a store."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mner_keras.errors import InputError
from mner_keras.files import Progress, decode_line, file_sha256, no_progress
from mner_keras.vision.extraction import Extractor, blank_features, versions
from mner_keras.vision.feature_store import FeatureStore
from mner_keras.vision.feature_writer import FeatureWriter
from mner_keras.vision.pictures import BLANK
from mner_keras.vision.visual_input import picture_id

_ZHANG = {"extractor": "vgg16-zhang2018", "kind": "regions", "feature_dim": 512}
_ZHANG["weights"] = "VGG16, given out by Zhang et al. (2018)"
_AGBAN = {"extractor": "maskrcnn-agban", "kind": "objects", "feature_dim": 1024}
_AGBAN["weights"] = "Mask R-CNN, given out with AGBAN (2020)"

Record = tuple[str, np.ndarray, list[str] | None]  # a picture's file name, its vectors `[k, f]`, its objects' names


def import_features(
    file: str | os.PathLike,
    path: str | os.PathLike,
    dtype: str = "float32",
    overwrite: bool = False,
    progress: Progress = no_progress,
    extractor: Extractor | None = None,
) -> int:
    """Write an authors' file of features into a store; an interrupted import continues where it stopped.

    Args:
        file: HDF5 with one dataset `(1, 512, 7, 7)` per image id (Zhang et al. 2018), or text with four lines per
            image: its file name, the objects' names with tabs between them, `k * 1024` numbers, a blank line (AGBAN).
        path, dtype, overwrite: see `FeatureWriter`.
        progress: called with the work done and the total.
        extractor: of the blank picture, which Zhang et al.'s file lacks; without it, posts without a picture see zeros.

    Returns:
        the number of pictures in the store.

    Raises:
        InputError: another format, a malformed line, NaN or infinity, two pictures of one id, another store to write.
    """
    if not os.path.isfile(file):
        raise InputError("expected a file of features, found no such file", file)
    if os.path.exists(path) and os.path.samefile(file, path):
        raise InputError("expected another file to write than the one to read", path)
    zhang = has_regions(file)
    with open(file, "rb") as stream:
        if not zhang and b"\0" in stream.read(4096):
            expected = "an HDF5 file of VGG16 features or AGBAN's text file"
            raise InputError(f"expected {expected}, found other bytes", file)
    attributes: dict[str, Any] = {
        **(_ZHANG if zhang else _AGBAN),
        "weights_hash": file_sha256(file),  # for the weights, which nobody gave out
        "source": Path(file).name,
        "versions": versions(),
    }
    seen: dict[str, str] = {}
    with FeatureWriter(path, attributes, dtype, overwrite) as writer:
        for name, vectors, names in (_read_zhang if zhang else _read_objects)(file, progress):
            image_id = picture_id(name)
            if image_id in seen:
                found = f"{seen[image_id]} and {name}"
                raise InputError(f"expected one picture of the id {image_id!r}, found {found}", file)
            seen[image_id] = name
            if image_id not in writer:
                writer.add(image_id, vectors, names)
        if zhang and extractor is not None and BLANK not in writer:
            writer.add(BLANK, blank_features(extractor)["vectors"])
        return len(writer)


def has_regions(file: str | os.PathLike) -> bool:
    """Return whether a file of authors' features has regions (HDF5), not objects (text)."""
    return os.path.isfile(file) and h5py.is_hdf5(file)


def keras_vgg16_file() -> Path | None:
    """Return the VGG16 weights that Keras downloaded before, `None` if there are none."""
    home = Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser())
    path = home / "models" / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    return path if path.is_file() else None


def _read_zhang(file: str | os.PathLike, progress: Progress) -> Iterator[Record]:
    store = FeatureStore(file)
    names = sorted(store.names - {BLANK})
    for number, name in enumerate(names):
        if (shape := store.dataset(name).shape) != (1, 512, 7, 7):
            raise InputError(f"expected floats of shape (1, 512, 7, 7) at {name!r}, found the shape {shape}", file)
        progress(number, len(names))
        vectors, _ = store.read([name], 49)
        yield name, vectors[0], None
    store.close()


def _read_objects(file: str | os.PathLike, progress: Progress) -> Iterator[Record]:
    number = 0
    with open(file, "rb") as stream:
        lines = ((number, decode_line(raw, file, number)) for number, raw in enumerate(stream, start=1))
        for number, name in lines:
            if not name.strip():
                raise InputError("expected a picture's file name, found a blank line", file, number)
            block = [line for _, line in itertools.islice(lines, 3)]
            if len(block) < 2:
                expected = "expected three lines of a picture, found the end of the file: is it cut off?"
                raise InputError(expected, file, number + len(block))
            yield _objects(name, block[0], block[1], file, number + 2)
            progress(stream.tell(), os.path.getsize(file))
            if "".join(block[2:]).strip():
                raise InputError("expected a blank line after a picture's three lines, found text", file, number + 3)
    if not number:
        raise InputError("expected features, found an empty file", file)


def _objects(name: str, labels: str, numbers: str, file: str | os.PathLike, number: int) -> Record:
    """Return the record of a picture; `number` is the line of the vectors."""
    names = [label.strip() for label in labels.split("\t") if label.strip()]
    try:
        with np.errstate(over="ignore"):
            values = np.array(numbers.split(), "float32")
    except ValueError as error:
        raise InputError(f"expected numbers, found others ({error})", file, number) from None
    if not np.isfinite(values).all():
        raise InputError(f"expected finite numbers, found NaN or infinity at {name.strip()!r}", file, number)
    width = _AGBAN["feature_dim"]
    if len(values) != len(names) * width:
        expected = f"{len(names)} x {width} numbers, as many as there are names"
        raise InputError(f"expected {expected}, found {len(values):,}", file, number)
    return name.strip(), values.reshape(-1, width), names
