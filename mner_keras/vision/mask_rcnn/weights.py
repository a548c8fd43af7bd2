"""The weights of Mask R-CNN: downloading the published file, checking it, and reading it by name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import numpy as np

from mner_keras.errors import InputError
from mner_keras.files import Progress, cache_folder, download, no_progress
from mner_keras.vision.feature_store import damage, open_hdf5

ADDRESS = "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"
"""The published weights, trained on COCO; 257,557,808 bytes."""

MD5 = "e98aaff6f99e307b5e2a8a3ff741a518"
"""Their hash, as NVIDIA's TensorRT sample `sampleUffMaskRCNN` gives it."""

RPN_MODEL = "rpn_model"
"""The layer of the file that holds the layers of the region proposal network."""

RPN_LAYERS = ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")
_MASK_BRANCH = "mrcnn_mask"

Key = tuple[str, str]
"""A layer's name and a weight's: `("conv1", "kernel")`."""


def weights_by_name(network: keras.Model) -> dict[Key, keras.Variable]:
    """The weights of a `MaskRCNN` by layer and weight, in the order of the network.

    The names follow the Matterport implementation's code; they have not been checked against its file.
    """
    layers = (*network.body.layers, *network.head.layers)
    return {(layer.name, weight.name): weight for layer in layers for weight in layer.weights}


def load_weights(network: keras.Model, path: str | os.PathLike) -> None:
    """Load a `MaskRCNN` from a file in the layout that Keras 2 saved weights in, layer by layer by name.

    Raises:
        InputError: no such file, no HDF5, or other weights than those of the network, each of which is named. Weights
            of the mask branch are passed over.
    """
    expected_file = "an HDF5 file of Mask R-CNN weights"
    expected = weights_by_name(network)
    with open_hdf5(path, expected_file) as file, damage(path, expected_file):
        found = dict(_weights(file))
        if not expected.keys() & found.keys():
            raise InputError(
                "expected the layers of Matterport's Mask R-CNN (conv1, bn_conv1, ...), found none of them", path
            )
        told = [f"{layer}/{name} is missing" for layer, name in expected if (layer, name) not in found]
        for (layer, name), dataset in found.items():
            if (layer, name) not in expected:
                told.append(f"{layer}/{name} {dataset.shape} is none of its weights")
            elif dataset.shape != (shape := tuple(expected[layer, name].shape)):
                told.append(f"{layer}/{name} is {dataset.shape}, not {shape}")
        if told:
            raise InputError(f"expected the weights of Matterport's Mask R-CNN for COCO; {'; '.join(told)}", path)
        for key, dataset in found.items():
            expected[key].assign(np.asarray(dataset, "float32"))


def coco_weights(address: str = ADDRESS, md5: str = MD5, progress: Progress = no_progress) -> Path:
    """The published weights, downloaded into the cache where they are not yet there; arguments as in `download`.

    Raises:
        InputError: a download that failed, or another file; the message says how to go on without one.
    """
    path = cache_folder() / "mask_rcnn_coco.h5"
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        download(address, path, md5, progress)
    except (InputError, OSError) as error:
        raise InputError(
            f"the weights of Mask R-CNN cannot be downloaded ({error}); --weights takes a file of them"
        ) from None
    return path


def _weights(file: h5py.File) -> Iterator[tuple[Key, h5py.Dataset]]:
    """A file's weights by layer and name, without those of the mask branch.

    A layer is a group at the root, or in `model_weights` where the whole model was saved; what lies between it and its
    weights differs with the version of Keras. The region proposal network's layers are one level deeper.
    """
    root = file["model_weights"] if "layer_names" not in file.attrs and "model_weights" in file else file
    items: list[tuple[str, h5py.Group | h5py.Dataset]] = []
    root.visititems(lambda *item: items.append(item))
    for place, item in items:
        layer, *above, name = place.split("/") if "/" in place else ("", place)
        if layer and not layer.startswith(_MASK_BRANCH) and isinstance(item, h5py.Dataset):
            # Without the number that Keras sets behind the name of a layer in a process that has built it before.
            plain = [re.sub(r"_\d+$", "", part) for part in above]
            inner = [part for part in plain if part in RPN_LAYERS] if layer == RPN_MODEL else []
            yield ((inner or [layer])[-1], name.partition(":")[0]), item
