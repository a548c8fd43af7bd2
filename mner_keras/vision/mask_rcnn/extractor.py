"""`MaskRCNNObjects`: the objects of a picture as AGBAN reads them."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from PIL import Image, ImageOps

from mner_keras.errors import InputError
from mner_keras.files import Progress, cache_folder, download, no_progress
from mner_keras.vision.feature_store import damage, open_hdf5
from mner_keras.vision.mask_rcnn.boxes import CLASSES, to_pixels, to_unit
from mner_keras.vision.mask_rcnn.network import FEATURE_WIDTH, SIDE, MaskRCNN
from mner_keras.vision.vgg16 import predict_rows, weights_hash

ADDRESS = "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"  # 257,557,808 bytes
MD5 = "e98aaff6f99e307b5e2a8a3ff741a518"  # as NVIDIA's TensorRT sample `sampleUffMaskRCNN` gives it
RPN_MODEL = "rpn_model"  # the layer of the file that holds the region proposal network's layers
RPN_LAYERS = ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")
_MASK_BRANCH = "mrcnn_mask"
_SHORT, _LONG = 800, 1024

Prepared = tuple[np.ndarray, np.ndarray, tuple[int, int]]
Key = tuple[str, str]  # a layer's name and a weight's: `("conv1", "kernel")`


class MaskRCNNObjects:
    """The most probable objects that Mask R-CNN finds in a picture: float32 `[k, 1024]`, with names, boxes and scores.

    An object's vector is the output of the head's second convolution after batch normalisation and relu, at the
    proposal that the object came from. Objects are ordered by the probability of their class. Precision is that of the
    dtype policy that is set when the extractor is made (`keras.config.set_dtype_policy`).

    Args:
        weights: a file in the layout of `mask_rcnn_coco.h5`; by default that file, which is downloaded on first use.
        top: objects a picture gives at most.
        min_score: the least probability of an object's class.
        side: side of the square that pictures are brought to, in pixels, a multiple of 64. The weights were trained at
            1024; smaller squares are faster and miss small objects.
        num_proposals: proposals looked at in each picture.
        batch_size: pictures computed at once.
        progress: called with the bytes of the download done and their number.

    Raises:
        InputError: weights that are not there, that do not fit, or that cannot be downloaded; an argument out of range.

    Reference:
        He et al. 2017; Zheng et al. 2020 (AGBAN), section III-C.
    """

    def __init__(
        self,
        weights: str | os.PathLike | None = None,
        top: int = 5,
        min_score: float = 0.7,
        side: int = SIDE,
        num_proposals: int = 1000,
        batch_size: int = 1,
        progress: Progress = no_progress,
    ) -> None:
        if top < 1 or num_proposals < 1:
            raise InputError(f"expected at least 1 object and 1 proposal a picture, found {top} and {num_proposals}")
        if not 0 <= min_score <= 1:
            raise InputError(f"expected a least probability from 0 to 1, found {min_score}")
        self.network = MaskRCNN(side, num_proposals, min_score)
        load_weights(self.network, coco_weights(progress) if weights is None else weights)
        self.side = side
        self.top = top
        self.batch_size = batch_size
        self.blank_size = (side, side)
        self.attributes: dict[str, Any] = {
            "extractor": "mask-rcnn",
            "kind": "objects",
            "feature_dim": FEATURE_WIDTH,
            "weights": "coco" if weights is None else os.path.abspath(weights),
            "weights_hash": weights_hash(self.network),
            "preprocessing": f"RGB on white, bilinear into the middle of {side} x {side}, less the mean pixel",
            "layer": "second convolution of the head after batch normalisation and relu, at the proposal",
            "options": json.dumps({"top": top, "min_score": min_score, "side": side, "num_proposals": num_proposals}),
            "precision": keras.config.dtype_policy().name,
            "backend": keras.backend.backend(),
        }

    def prepare(self, picture: Image.Image) -> Prepared:
        """Return the square's pixels uint8 `[side, side, 3]`, the picture's window in it, its width and height."""
        return (*square_picture(picture, self.side), picture.size)

    def extract(self, prepared: list[Prepared]) -> list[dict[str, Any]]:
        """Return the objects of pictures: `vectors` float32 `[k, 1024]`, `names`, `boxes` int64 `[k, 4]`, `scores`."""
        rows = [{"pixels": pixels, "window": to_unit(window, (self.side, self.side))} for pixels, window, _ in prepared]
        outputs = predict_rows(self.network, rows, self.batch_size)
        return [self._objects(found, *about) for found, (_, *about) in zip(outputs, prepared, strict=True)]

    def _objects(self, output: dict[str, np.ndarray], window: np.ndarray, size: tuple[int, int]) -> dict[str, Any]:
        boxes = picture_boxes(output["boxes"], window, self.side, size)
        # A box that covers no whole pixel of the picture is no object.
        there = output["valid"] & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        rows = np.flatnonzero(there)[: self.top]
        return {
            "vectors": output["features"][rows].astype("float32"),
            "names": [CLASSES[number] for number in output["classes"][rows]],
            "boxes": boxes[rows],
            "scores": output["scores"][rows],
        }


def square_picture(picture: Image.Image, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an RGB picture in the middle of a black square, its sides' ratio kept.

    It grows until its shorter side measures 800 pixels, but never beyond 1024 of the longer (of a square of 1024; of
    others in proportion), and shrinks only where it would not fit. Bilinear from the four nearest pixels, also where it
    shrinks, black beyond the edge, cut to whole numbers: what scikit-image gave the Matterport implementation.

    Returns:
        pixels uint8 `[side, side, 3]`, and the picture's top, left, bottom, right in them, int64 `[4]`.
    """
    width, height = picture.size
    scale = max(1.0, side * _SHORT / _LONG / min(height, width))
    if round(max(height, width) * scale) > side:
        scale = side / max(height, width)
    # One pixel would be a window without an extent: from its first pixel's share to its last one's.
    new_height, new_width = (max(2, round(length * scale)) for length in (height, width))
    if scale != 1.0:
        # Black around it, which its outermost pixels are mixed with; `resize` would mix more pixels where it shrinks.
        framed = ImageOps.expand(picture, 1)
        step = (width / new_width, 0, 1, 0, height / new_height, 1)
        size = new_width, new_height
        picture = framed.transform(size, Image.Transform.AFFINE, step, resample=Image.Resampling.BILINEAR)
    top, left = (side - new_height) // 2, (side - new_width) // 2
    pixels = np.zeros((side, side, 3), "uint8")
    pixels[top : top + new_height, left : left + new_width] = picture
    return pixels, np.array([top, left, top + new_height, left + new_width])


def picture_boxes(boxes: np.ndarray, window: np.ndarray, side: int, size: tuple[int, int]) -> np.ndarray:
    """Return boxes as shares of the square `[k, 4]` in pixels of the picture, int64; `size`: its width and height."""
    window = to_unit(window, (side, side))
    corner, opposite = np.tile(window[:2], 2), np.tile(window[2:], 2)
    return to_pixels((boxes - corner) / (opposite - corner), (size[1], size[0]))


def weights_by_name(network: keras.Model) -> dict[Key, keras.Variable]:
    """Return the weights of a `MaskRCNN` by the names in Matterport's code, which were not checked against its file."""
    layers = (*network.body.layers, *network.head.layers)
    return {(layer.name, weight.name): weight for layer in layers for weight in layer.weights}


def load_weights(network: keras.Model, path: str | os.PathLike) -> None:
    """Load a `MaskRCNN` from a file of Keras 2, without the mask branch; an `InputError` names what does not fit."""
    expected, kind = weights_by_name(network), "an HDF5 file of Mask R-CNN weights"
    with open_hdf5(path, kind) as file, damage(path, kind):
        found = dict(_weights(file))
        if not expected.keys() & found.keys():
            layers = "the layers of Matterport's Mask R-CNN (conv1, bn_conv1, ...)"
            raise InputError(f"expected {layers}, found none of them", path)
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


def coco_weights(progress: Progress = no_progress) -> Path:
    """Return the published weights' file, downloaded into the cache if it is not there; `InputError` if that fails."""
    path = cache_folder() / "mask_rcnn_coco.h5"
    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            download(ADDRESS, path, MD5, progress)
    except (InputError, OSError) as error:
        message = f"the weights of Mask R-CNN cannot be downloaded ({error}); --weights takes a file of them"
        raise InputError(message) from None
    return path


def _weights(file: h5py.File) -> Iterator[tuple[Key, h5py.Dataset]]:
    """Yield a file's weights by layer and name, without those of the mask branch.

    A layer is a group at the root, or in `model_weights` of a whole model; what lies between it and its weights differs
    with the version of Keras. The region proposal network's layers are one level deeper.
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
