"""Boxes: top, left, bottom, right, as shares of a picture's sides.

In pixels the lower right corner lies outside the box; as a share it lies inside: a picture of `h` x `w` pixels reaches
from `(0, 0, h, w)`, which is `(0, 0, 1, 1)`, and a pixel's share is `1 / (h - 1)` of the height. That is the Matterport
implementation's rule, and the weights were trained with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

DELTA_SCALE = (0.1, 0.1, 0.2, 0.2)
"""What the network's deltas are multiplied with: the standard deviations that they were divided by in training."""

LARGEST = 10.0
"""The logarithm of the factor by which a box grows at most."""

_CORNER = np.array([0, 0, 1, 1])


def to_unit(boxes: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Boxes in pixels `[..., 4]` as shares of the sides; `size`: the picture's height and width in pixels."""
    return (np.asarray(boxes) - _CORNER) / _spans(size)


def to_pixels(boxes: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Boxes as shares of the sides, in whole pixels: int64 `[..., 4]`; the inverse of `to_unit`."""
    return np.rint(np.asarray(boxes) * _spans(size) + _CORNER).astype("int64")


def shift_boxes(boxes: Any, deltas: Any) -> Any:
    """Boxes moved and stretched by what the network says.

    Args:
        boxes: tensor `[..., 4]`.
        deltas: the network's output `[..., 4]`: how far the centre moves down and to the right, in heights and widths
            of the box, and the logarithms of the factors of height and width; all divided by `DELTA_SCALE`.
    """
    deltas = deltas * np.array(DELTA_SCALE, "float32")
    corner, size = boxes[..., :2], boxes[..., 2:] - boxes[..., :2]
    centre = corner + 0.5 * size + deltas[..., :2] * size
    # Beyond this factor a box is cut at the picture's edge in any case, and infinities would end as NaN.
    size = size * ops.exp(ops.minimum(deltas[..., 2:], LARGEST))
    corner = centre - 0.5 * size
    return ops.concatenate([corner, corner + size], axis=-1)


def clip_boxes(boxes: Any, window: Any) -> Any:
    """Boxes `[..., 4]` cut to a window `[..., 4]`: a corner outside moves to the window's edge."""
    low = ops.concatenate([window[..., :2], window[..., :2]], axis=-1)
    high = ops.concatenate([window[..., 2:], window[..., 2:]], axis=-1)
    return ops.maximum(ops.minimum(boxes, high), low)


def overlap(boxes: Any, others: Any) -> Any:
    """Intersection over union of boxes that broadcast, `[...]`; 0 where neither has an area."""
    corner = ops.maximum(boxes[..., :2], others[..., :2])
    common = _area(corner, ops.minimum(boxes[..., 2:], others[..., 2:]))
    union = _area(boxes[..., :2], boxes[..., 2:]) + _area(others[..., :2], others[..., 2:]) - common
    return ops.where(union > 0, common / ops.where(union > 0, union, 1.0), 0.0)


def gather_rows(values: Any, indices: Any) -> Any:
    """Of each picture the rows that are named: `values` `[B, N, *f]` and `indices` int `[B, *i]` give `[B, *i, *f]`."""
    count = values.shape[1]
    batch = ops.shape(values)[0]
    first = count * ops.arange(batch, dtype="int32")
    first = ops.reshape(first, (-1,) + (1,) * (len(indices.shape) - 1))
    rows = ops.reshape(values, (-1, *values.shape[2:]))
    return ops.take(rows, ops.cast(indices, "int32") + first, axis=0)


def _area(corner: Any, opposite: Any) -> Any:
    size = ops.maximum(opposite - corner, 0.0)
    return size[..., 0] * size[..., 1]


def _spans(size: Sequence[int]) -> np.ndarray:
    height, width = size
    return np.array([height - 1, width - 1, height - 1, width - 1])
