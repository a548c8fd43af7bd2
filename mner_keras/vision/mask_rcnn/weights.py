"""The weights of Mask R-CNN: what the published file should hold, reading it by name, fetching it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from string import ascii_lowercase

import h5py
import keras
import numpy as np

from mner_keras.errors import InputError
from mner_keras.files import Progress, cache_folder, download, file_md5, no_progress
from mner_keras.vision.feature_store import damage, open_hdf5
from mner_keras.vision.mask_rcnn.boxes import RATIOS
from mner_keras.vision.mask_rcnn.detections import CLASSES
from mner_keras.vision.mask_rcnn.network import FEATURE_WIDTH, POOL, PYRAMID, RPN_WIDTH, STAGES

ADDRESS = "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"
"""The published weights, trained on COCO; 257,557,808 bytes."""

MD5 = "e98aaff6f99e307b5e2a8a3ff741a518"
"""Their hash, as NVIDIA's TensorRT sample `sampleUffMaskRCNN` gives it."""

COCO = "coco"
"""What a store calls the published weights."""

RPN_MODEL = "rpn_model"
"""The layer of the file that holds the layers of the region proposal network."""

RPN_LAYERS = ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")
_MASK_BRANCH = "mrcnn_mask"

Key = tuple[str, str]
"""A layer's name and a weight's: `("conv1", "kernel")`."""


def expected_weights() -> dict[Key, tuple[int, ...]]:
    """The shapes of all weights that the network needs, by layer and weight, in the order of the network.

    The names and shapes follow the Matterport implementation's code; they have not been checked against its file.
    """
    shapes: dict[Key, tuple[int, ...]] = {}

    def convolution(layer: str, size: int, inputs: int, outputs: int) -> None:
        shapes[layer, "kernel"] = (size, size, inputs, outputs)
        shapes[layer, "bias"] = (outputs,)

    def norm(layer: str, channels: int) -> None:
        shapes.update({(layer, name): (channels,) for name in ("gamma", "beta", "moving_mean", "moving_variance")})

    convolution("conv1", 7, 3, 64)
    norm("bn_conv1", 64)
    inputs = 64
    for stage, (blocks, filters) in STAGES.items():
        for block in ascii_lowercase[:blocks]:
            steps = list(zip(("2a", "2b", "2c"), (1, 3, 1), (inputs, *filters[:2]), filters, strict=True))
            if block == "a":
                steps.append(("1", 1, inputs, filters[2]))
            for branch, size, before, after in steps:
                convolution(f"res{stage}{block}_branch{branch}", size, before, after)
                norm(f"bn{stage}{block}_branch{branch}", after)
            inputs = filters[2]
        convolution(f"fpn_c{stage}p{stage}", 1, inputs, PYRAMID)
        convolution(f"fpn_p{stage}", 3, PYRAMID, PYRAMID)
    convolution("rpn_conv_shared", 3, PYRAMID, RPN_WIDTH)
    convolution("rpn_class_raw", 1, RPN_WIDTH, 2 * len(RATIOS))
    convolution("rpn_bbox_pred", 1, RPN_WIDTH, 4 * len(RATIOS))
    convolution("mrcnn_class_conv1", POOL, PYRAMID, FEATURE_WIDTH)
    norm("mrcnn_class_bn1", FEATURE_WIDTH)
    convolution("mrcnn_class_conv2", 1, FEATURE_WIDTH, FEATURE_WIDTH)
    norm("mrcnn_class_bn2", FEATURE_WIDTH)
    for layer, outputs in (("mrcnn_class_logits", len(CLASSES)), ("mrcnn_bbox_fc", 4 * len(CLASSES))):
        shapes[layer, "kernel"] = (FEATURE_WIDTH, outputs)
        shapes[layer, "bias"] = (outputs,)
    return shapes


def load_weights(network: keras.Model, path: str | os.PathLike) -> None:
    """Load a `MaskRCNN` from a file in the layout that Keras 2 saved weights in, layer by layer by name.

    Raises:
        InputError: no such file, no HDF5, or other weights than those of the table, each of which is named. Weights of
            the mask branch are passed over.
    """
    check_weights(path)
    with open_hdf5(path) as file, damage(path, "weights"):
        for (layer, name), dataset in _weights(file):
            if not layer.startswith(_MASK_BRANCH):
                part = network.head if layer.startswith("mrcnn_") else network.body
                getattr(part.get_layer(layer), name).assign(np.asarray(dataset, "float32"))


def check_weights(path: str | os.PathLike) -> None:
    """Raise what `load_weights` raises, without a network."""
    if not os.path.isfile(path):
        raise InputError("expected a file of Mask R-CNN weights, found no such file", path)
    expected_file = "an HDF5 file of Mask R-CNN weights"
    with open_hdf5(path, expected_file) as file, damage(path, expected_file):
        found = {key: tuple(dataset.shape) for key, dataset in _weights(file)}
    expected = expected_weights()
    if not expected.keys() & found.keys():
        raise InputError(
            "expected the layers of Matterport's Mask R-CNN (conv1, bn_conv1, ...), found none of them", path
        )
    told = [f"{layer}/{name} is missing" for layer, name in expected if (layer, name) not in found]
    for (layer, name), shape in found.items():
        if (layer, name) not in expected:
            if not layer.startswith(_MASK_BRANCH):
                told.append(f"{layer}/{name} {shape} is none of its weights")
        elif shape != expected[layer, name]:
            told.append(f"{layer}/{name} is {shape}, not {expected[layer, name]}")
    if told:
        raise InputError(f"expected the weights of Matterport's Mask R-CNN for COCO; {'; '.join(told)}", path)


def coco_weights(
    address: str = ADDRESS,
    md5: str = MD5,
    pause: float = 1.0,
    progress: Progress = no_progress,
) -> Path:
    """The published weights, downloaded into the cache where they are not yet there.

    Args:
        address: where they are.
        md5: the hash without which a download is not kept.
        pause: seconds before the second attempt.
        progress: called with the bytes done and their number.

    Raises:
        InputError: a download that failed, or another file; the message says how to go on without one.
    """
    path = cache_folder() / "mask_rcnn_coco.h5"
    if path.is_file():
        return path

    def check(unfinished: Path) -> None:
        if (found := file_md5(unfinished)) != md5:
            raise InputError(f"expected a file of the MD5 {md5}, found {found}; not kept", address)

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        download(address, path, check, pause, progress)
    except (InputError, OSError) as error:
        raise InputError(
            f"the weights of Mask R-CNN cannot be downloaded ({error}); --weights takes a file of them"
        ) from None
    return path


def _weights(file: h5py.File) -> Iterator[tuple[Key, h5py.Dataset]]:
    """A file's weights by layer and name.

    A layer is a group at the root, or in `model_weights` where the whole model was saved; what lies between it and its
    weights differs with the version of Keras. The region proposal network's layers are one level deeper.
    """
    root = file["model_weights"] if "layer_names" not in file.attrs and "model_weights" in file else file
    items: list[tuple[str, h5py.Group | h5py.Dataset]] = []
    root.visititems(lambda *item: items.append(item))
    for place, item in items:
        layer, *above, name = place.split("/") if "/" in place else ("", place)
        if layer and isinstance(item, h5py.Dataset):
            # Without the number that Keras sets behind the name of a layer in a process that has built it before.
            plain = [re.sub(r"_\d+$", "", part) for part in above]
            inner = [part for part in plain if part in RPN_LAYERS] if layer == RPN_MODEL else []
            yield ((inner or [layer])[-1], name.partition(":")[0]), item
