"""`RoIAlign`: what the pyramid holds at a box."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from mner_keras.vision.mask_rcnn.boxes import gather_rows

LEVELS = (2, 3, 4, 5)
_NEAR = 1e-3  # of a cell: a point so little beyond a map's edge is on it


@keras.saving.register_keras_serializable("mner_keras")
class RoIAlign(keras.layers.Layer):
    """A grid of points in each box, read off the level of the pyramid that suits the box's size.

    `level = 4 + round(log2(sqrt(height * width) / 224))`, in pixels, between 2 and 5. The points reach from edge to
    edge of the box, corners included, and are interpolated bilinearly between cells; one point a bin, as TensorFlow's
    `crop_and_resize` takes them. A point beyond the map reads 0.

    Args:
        side: the picture's side in pixels.
        pool_size: points a side of the grid.

    Call arguments:
        boxes: float32 `[B, R, 4]`, as shares of the picture's sides.
        maps: P2 to P5, `[B, side / 4, side / 4, C]` to `[B, side / 32, side / 32, C]`.

    Returns:
        `[B, R, pool_size, pool_size, C]`, of the maps' dtype.

    Reference:
        Lin et al. 2017, "Feature Pyramid Networks", equation 1; He et al. 2017, "Mask R-CNN", section 3.
    """

    def __init__(self, side: int, pool_size: int = 7, **kwargs: Any) -> None:
        # Without autocast the boxes stay float32 where the maps are of half precision.
        super().__init__(autocast=False, **kwargs)
        self.side = side
        self.pool_size = pool_size

    def call(self, boxes: Any, maps: list[Any]) -> Any:
        sides = [level.shape[1] for level in maps]
        cells = ops.concatenate(
            [ops.reshape(level, (-1, s * s, level.shape[3])) for level, s in zip(maps, sides, strict=True)], axis=1
        )
        level = levels_of(boxes, self.side) - LEVELS[0]  # [B, R]
        side = ops.take(np.array(sides, "int32"), level)[..., None]
        first = ops.take(np.cumsum([0] + [s * s for s in sides[:-1]]).astype("int32"), level)[..., None]
        edge = ops.cast(side - 1, "float32")
        rows, row_share, row_inside = self._points(boxes[..., 0:1], boxes[..., 2:3], edge)  # [B, R, pool]
        columns, column_share, column_inside = self._points(boxes[..., 1:2], boxes[..., 3:4], edge)

        def read(down: int, right: int) -> Any:
            """The cells next to the points, `[B, R, pool, pool, C]`."""
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

    def compute_output_shape(self, boxes_shape: tuple, maps_shape: list[tuple]) -> tuple:
        return (*boxes_shape[:2], self.pool_size, self.pool_size, maps_shape[0][-1])

    def _points(self, low: Any, high: Any, edge: Any) -> tuple[Any, Any, Any]:
        """Along one side: the cells before the points, the points' shares of the way to the next cell, and whether they
        lie on the map; each `[B, R, pool]`."""
        steps = np.arange(self.pool_size, dtype="float32") / (self.pool_size - 1)
        points = (low + (high - low) * steps) * edge
        inside = ops.logical_and(points > -_NEAR, points < edge + _NEAR)
        points = ops.maximum(ops.minimum(points, edge), 0.0)
        before = ops.floor(points)
        return ops.cast(before, "int32"), points - before, inside

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "side": self.side, "pool_size": self.pool_size}


def levels_of(boxes: Any, side: int) -> Any:
    """The pyramid's level for each box, 2 to 5: int32 `[...]` for boxes `[..., 4]`."""
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    area = ops.maximum(area, 1e-12)  # a box without an area reads P2
    level = 4 + ops.round(0.5 * ops.log(area) / math.log(2) + math.log2(side / 224))
    return ops.cast(ops.clip(level, LEVELS[0], LEVELS[-1]), "int32")
