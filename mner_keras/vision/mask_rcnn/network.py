"""`MaskRCNN`: objects in pictures, without their masks; its backbone, and what its head reads of the pyramid."""

import math
from functools import partial
from string import ascii_lowercase
from typing import Any

import keras
import numpy as np
from keras import ops

from mner_keras.errors import InputError
from mner_keras.vision.mask_rcnn.boxes import CLASSES, RATIOS, Detections, Proposals, gather_rows

MEAN_PIXEL = (123.7, 116.8, 103.9)  # red, green, blue; taken off every picture
SIDE = 1024
FEATURE_WIDTH = 1024
PYRAMID = 256  # channels of each level of the pyramid
LEVELS = (2, 3, 4, 5)
BLOCKS = {2: 3, 3: 4, 4: 23, 5: 3}  # of each of ResNet-101's stages
POOL = 7
_NEAR = 1e-3  # of a cell: a point so little beyond a map's edge is on it

# Over `[B, h, w, C]`, whatever Keras' image format is set to.
convolution = partial(keras.layers.Conv2D, data_format="channels_last")
pooling = partial(keras.layers.MaxPooling2D, data_format="channels_last")


class MaskRCNN(keras.Model):
    """Mask R-CNN as the Matterport implementation builds it, for inference, up to the boxes: no masks.

    ResNet-101, a feature pyramid, proposals from anchors, RoI align at each proposal, two convolutions of 1024, a class
    and a box. The layers bear the names in its published weights. Detection is float32 under each dtype policy.

    Args:
        side, num_proposals, min_score: see `MaskRCNNObjects`.

    Call arguments:
        inputs: a dict of `pixels` `[B, side, side, 3]`, red, green and blue from 0 to 255, and `window` float32
            `[B, 4]`: the part of the square that the picture takes, as shares of the sides.

    Returns:
        what `Detections` returns, with `features` `[B, 100, 1024]`.

    Attributes:
        body: a model from `pixels` to `maps` (P2 to P5), `objectness` `[B, A]` and `deltas` `[B, A, 4]`.
        head: a model from `maps` and `boxes` `[B, R, 4]` to `features` `[B, R, 1024]`, `scores` `[B, R, 81]` and
            `deltas` `[B, R, 81, 4]`.

    Reference:
        He et al. 2017, "Mask R-CNN"; https://github.com/matterport/Mask_RCNN, version 2.
    """

    def __init__(self, side: int = SIDE, num_proposals: int = 1000, min_score: float = 0.7) -> None:
        if side < 64 or side % 64:
            raise InputError(f"expected a side that is a multiple of 64, found {side}")
        body, head = _body(side), _head(side, num_proposals)
        pixels = keras.Input((side, side, 3), name="pixels")
        window = keras.Input((4,), dtype="float32", name="window")
        found = body(pixels)
        boxes, valid = Proposals(side, num_proposals, name="proposals")(found["objectness"], found["deltas"])
        judged = head({"maps": found["maps"], "boxes": boxes})
        detections = Detections(min_score, name="detections")(boxes, valid, window=window, **judged)
        super().__init__({"pixels": pixels, "window": window}, detections, name="mask_rcnn")
        self.body = body
        self.head = head
        self.trainable = False


def _body(side: int) -> keras.Model:
    """Return the model from pixels to the pyramid, and to what its every cell says of three anchors."""
    pixels = keras.Input((side, side, 3), name="pixels")
    x = keras.layers.Rescaling(1.0, [-mean for mean in MEAN_PIXEL], dtype="float32", name="less_mean_pixel")(pixels)
    maps = feature_pyramid(resnet101(x))
    # P6 is every second cell of P5; only proposals come from it.
    levels = [*maps, pooling(1, 2, name="fpn_p6")(maps[-1])]
    shared = convolution(512, 3, padding="same", activation="relu", name="rpn_conv_shared")
    classes = convolution(2 * len(RATIOS), 1, name="rpn_class_raw")
    deltas = convolution(4 * len(RATIOS), 1, name="rpn_bbox_pred")
    seen = [shared(level) for level in levels]
    logits = ops.concatenate([keras.layers.Reshape((-1, 2))(classes(x)) for x in seen], axis=1)
    outputs = {
        "maps": maps,
        # Background, then object.
        "objectness": keras.layers.Softmax(dtype="float32", name="rpn_class")(logits)[..., 1],
        "deltas": ops.concatenate([ops.cast(keras.layers.Reshape((-1, 4))(deltas(x)), "float32") for x in seen], 1),
    }
    return keras.Model(pixels, outputs, name="body")


def _head(side: int, count: int) -> keras.Model:
    """Return the model from the pyramid and boxes to the boxes' features, classes and deltas."""
    maps = [keras.Input((side >> level, side >> level, PYRAMID), name=f"p{level}") for level in LEVELS]
    boxes = keras.Input((count, 4), dtype="float32", name="boxes")
    x = RoIAlign(side, POOL, name="roi_align_classifier")(boxes, maps)
    # Each box is a picture of 7 x 7 of its own.
    x = ops.reshape(x, (-1, POOL, POOL, PYRAMID))
    x = ops.relu(normalised(x, FEATURE_WIDTH, POOL, "mrcnn_class_conv1", "mrcnn_class_bn1"))
    x = ops.relu(normalised(x, FEATURE_WIDTH, 1, "mrcnn_class_conv2", "mrcnn_class_bn2"))
    features = keras.layers.Reshape((FEATURE_WIDTH,), name="pool_squeeze")(x)
    logits = keras.layers.Dense(len(CLASSES), name="mrcnn_class_logits")(features)
    deltas = keras.layers.Dense(4 * len(CLASSES), name="mrcnn_bbox_fc")(features)
    scores = keras.layers.Softmax(dtype="float32", name="mrcnn_class")(logits)
    outputs = {
        "features": ops.reshape(ops.cast(features, "float32"), (-1, count, FEATURE_WIDTH)),
        "scores": ops.reshape(scores, (-1, count, len(CLASSES))),
        "deltas": ops.reshape(ops.cast(deltas, "float32"), (-1, count, len(CLASSES), 4)),
    }
    return keras.Model({"maps": maps, "boxes": boxes}, outputs, name="head")


def normalised(x: Any, filters: int, size: int, conv: str, norm: str, strides: int = 1, padding: str = "valid") -> Any:
    """Apply a convolution with a bias, and its batch normalisation."""
    x = convolution(filters, size, strides, padding, name=conv)(x)
    return keras.layers.BatchNormalization(name=norm)(x)


def resnet101(pixels: Any) -> list[Any]:
    """Return the outputs of ResNet-101's stages 2 to 5, at a fourth to a 32nd of the sides (He et al. 2016).

    Strides are in a block's first convolution. A stage's first block has a convolution in its shortcut, too.
    """
    x = keras.layers.ZeroPadding2D(3, data_format="channels_last", name="zero_padding")(pixels)
    x = ops.relu(normalised(x, 64, 7, "conv1", "bn_conv1", strides=2))
    x = pooling(3, 2, "same", name="pool1")(x)
    stages = []
    for stage, blocks in BLOCKS.items():
        filters = 64 << (stage - 2)
        for letter in ascii_lowercase[:blocks]:
            block = f"{stage}{letter}_branch"
            strides = 2 if letter == "a" and stage > 2 else 1
            y = ops.relu(normalised(x, filters, 1, f"res{block}2a", f"bn{block}2a", strides))
            y = ops.relu(normalised(y, filters, 3, f"res{block}2b", f"bn{block}2b", padding="same"))
            y = normalised(y, 4 * filters, 1, f"res{block}2c", f"bn{block}2c")
            if letter == "a":
                x = normalised(x, 4 * filters, 1, f"res{block}1", f"bn{block}1", strides)
            x = ops.relu(y + x)
        stages.append(x)
    return stages


def feature_pyramid(stages: list[Any]) -> list[Any]:
    """Return P2 to P5 from the stages' outputs 2 to 5 (Lin et al. 2017, "Feature Pyramid Networks")."""
    top, levels = None, []
    for level, stage in reversed(list(zip(LEVELS, stages, strict=True))):
        side = convolution(PYRAMID, 1, name=f"fpn_c{level}p{level}")(stage)
        top = side if top is None else keras.layers.UpSampling2D(2, data_format="channels_last")(top) + side
        levels.append(convolution(PYRAMID, 3, padding="same", name=f"fpn_p{level}")(top))
    return levels[::-1]


class RoIAlign(keras.layers.Layer):
    """A grid of points in each box (He et al. 2017, section 3), read off the pyramid's level (Lin et al. 2017, eq. 1).

    `level = 4 + round(log2(sqrt(height * width) / 224))`, in pixels, between 2 and 5. The points reach from edge to
    edge of the box, corners included, and are interpolated bilinearly between cells; one point a bin, as TensorFlow's
    `crop_and_resize` takes them. A point beyond the map reads 0.

    Call arguments:
        boxes: float32 `[B, R, 4]`, as shares of the picture's sides.
        maps: P2 to P5, `[B, side / 4, side / 4, C]` to `[B, side / 32, side / 32, C]`.

    Returns:
        `[B, R, pool_size, pool_size, C]`, of the maps' dtype.
    """

    def __init__(self, side: int, pool_size: int = 7, **kwargs: Any) -> None:
        # Without autocast the boxes stay float32 where the maps are of half precision.
        super().__init__(autocast=False, **kwargs)
        self.side = side
        self.pool_size = pool_size

    def call(self, boxes: Any, maps: list[Any]) -> Any:
        sides = [level.shape[1] for level in maps]
        cells = ops.concatenate([ops.reshape(level, (-1, level.shape[1] ** 2, level.shape[3])) for level in maps], 1)
        level = levels_of(boxes, self.side) - LEVELS[0]  # [B, R]
        side = ops.take(np.array(sides, "int32"), level)[..., None]
        first = ops.take(np.cumsum([0] + [s * s for s in sides[:-1]]).astype("int32"), level)[..., None]
        edge = ops.cast(side - 1, "float32")
        rows, row_share, row_inside = self._points(boxes[..., 0:1], boxes[..., 2:3], edge)  # [B, R, pool]
        columns, column_share, column_inside = self._points(boxes[..., 1:2], boxes[..., 3:4], edge)

        def read(down: int, right: int) -> Any:
            """Return the cells next to the points, `[B, R, pool, pool, C]`."""
            row = ops.minimum(rows + down, side - 1)
            column = ops.minimum(columns + right, side - 1)
            return gather_rows(cells, (first + row * side)[..., :, None] + column[..., None, :])

        dtype = cells.dtype
        right = ops.cast(column_share, dtype)[..., None, :, None]
        down = ops.cast(row_share, dtype)[..., :, None, None]
        upper = read(0, 0) * (1 - right) + read(0, 1) * right
        lower = read(1, 0) * (1 - right) + read(1, 1) * right
        inside = ops.logical_and(row_inside[..., :, None], column_inside[..., None, :])
        return (upper * (1 - down) + lower * down) * ops.cast(inside, dtype)[..., None]

    def _points(self, low: Any, high: Any, edge: Any) -> tuple[Any, Any, Any]:
        """Return the cells before the points of one side, the shares of the way to the next, whether on the map."""
        steps = np.arange(self.pool_size, dtype="float32") / (self.pool_size - 1)
        points = (low + (high - low) * steps) * edge
        inside = ops.logical_and(points > -_NEAR, points < edge + _NEAR)
        points = ops.maximum(ops.minimum(points, edge), 0.0)
        before = ops.floor(points)
        return ops.cast(before, "int32"), points - before, inside


def levels_of(boxes: Any, side: int) -> Any:
    """Return the pyramid's level for each box, 2 to 5: int32 `[...]` for boxes `[..., 4]`."""
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    area = ops.maximum(area, 1e-12)  # a box without an area reads P2
    level = 4 + ops.round(0.5 * ops.log(area) / math.log(2) + math.log2(side / 224))
    return ops.cast(ops.clip(level, LEVELS[0], LEVELS[-1]), "int32")
