"""`MaskRCNNObjects`: the objects of a picture as AGBAN reads them."""

from __future__ import annotations

import json
import os
from typing import Any

import keras
import numpy as np
from PIL import Image, ImageOps

from mner_keras.errors import InputError
from mner_keras.files import Progress, no_progress
from mner_keras.vision.mask_rcnn.boxes import CLASSES, to_pixels, to_unit
from mner_keras.vision.mask_rcnn.network import FEATURE_WIDTH, SIDE, MaskRCNN
from mner_keras.vision.mask_rcnn.weights import coco_weights, load_weights
from mner_keras.vision.vgg16 import predict_rows, weights_hash

_SHORT, _LONG = 800, 1024

Prepared = tuple[np.ndarray, np.ndarray, tuple[int, int]]


class MaskRCNNObjects:
    """The most probable objects that Mask R-CNN finds in a picture: float32 `[k, 1024]`, with names, boxes and scores.

    An object's vector is the output of the head's second convolution after batch normalisation and relu, at the
    proposal that the object came from. Objects are ordered by the probability of their class. A picture in which
    nothing is probable enough has none.

    Precision is that of the dtype policy that is set when the extractor is made (`keras.config.set_dtype_policy`).

    Args:
        weights: a file in the layout of `mask_rcnn_coco.h5`; by default that file, which is downloaded on first use.
        top: objects a picture gives at most.
        min_score: the least probability of an object's class.
        side: side of the square that pictures are brought to, in pixels, a multiple of 64.
        num_proposals: proposals looked at in each picture.
        batch_size: pictures computed at once.
        progress: called with the bytes of the download done and their number.

    Raises:
        InputError: weights that are not there, that do not fit, or that cannot be downloaded; an argument out of range.

    Reference:
        He et al. 2017; Zheng et al. 2020 (AGBAN), section III-C.

    Example:

    >>> extractor = MaskRCNNObjects("mask_rcnn_coco.h5")
    >>> extractor.extract([extractor.prepare(open_picture("113.jpg"))])[0]["vectors"].shape
    (5, 1024)
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
        load_weights(self.network, coco_weights(progress=progress) if weights is None else weights)
        self.side = side
        self.top = top
        self.batch_size = batch_size
        self.blank_size = (side, side)
        options = {"top": top, "min_score": min_score, "side": side, "num_proposals": num_proposals}
        self.attributes: dict[str, Any] = {
            "extractor": "mask-rcnn",
            "kind": "objects",
            "feature_dim": FEATURE_WIDTH,
            "weights": "coco" if weights is None else os.path.abspath(weights),
            "weights_hash": weights_hash(self.network),
            "preprocessing": f"RGB on white, bilinear into the middle of {side} x {side}, less the mean pixel",
            "layer": "second convolution of the head after batch normalisation and relu, at the proposal",
            "options": json.dumps(options),
            "precision": keras.config.dtype_policy().name,
            "backend": keras.backend.backend(),
        }

    def prepare(self, picture: Image.Image) -> Prepared:
        """The square's pixels uint8 `[side, side, 3]`, the picture's window in it, and its width and height."""
        return (*square_picture(picture, self.side), picture.size)

    def extract(self, prepared: list[Prepared]) -> list[dict[str, Any]]:
        """The objects of pictures: `vectors` float32 `[k, 1024]`, `names`, `boxes` int64 `[k, 4]` (top, left, bottom,
        right in pixels of the picture) and `scores` float32 `[k]`, descending."""
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
    """An RGB picture in the middle of a black square, its sides' ratio kept.

    It grows until its shorter side measures 800 pixels, but never beyond 1024 of the longer (of a square of 1024; of
    others in proportion), and shrinks only where it would not fit. Bilinear, each pixel from the four nearest ones,
    also where it shrinks, black beyond the edge, cut to whole numbers: the pixels that scikit-image gave the Matterport
    implementation.

    Returns:
        pixels uint8 `[side, side, 3]`, and the window: the picture's top, left, bottom, right in pixels of the square,
        int64 `[4]`.
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
        picture = framed.transform(
            (new_width, new_height), Image.Transform.AFFINE, step, resample=Image.Resampling.BILINEAR
        )
    top, left = (side - new_height) // 2, (side - new_width) // 2
    pixels = np.zeros((side, side, 3), "uint8")
    pixels[top : top + new_height, left : left + new_width] = picture
    return pixels, np.array([top, left, top + new_height, left + new_width])


def picture_boxes(boxes: np.ndarray, window: np.ndarray, side: int, size: tuple[int, int]) -> np.ndarray:
    """Boxes as shares of the square `[k, 4]`, in pixels of the picture, int64; `size`: its width and height."""
    window = to_unit(window, (side, side))
    corner, opposite = np.tile(window[:2], 2), np.tile(window[2:], 2)
    return to_pixels((boxes - corner) / (opposite - corner), (size[1], size[0]))
