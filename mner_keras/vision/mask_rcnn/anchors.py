"""Anchors: the boxes that Mask R-CNN's proposals start from."""

from __future__ import annotations

import numpy as np

from mner_keras.vision.mask_rcnn.boxes import to_unit

SIDES = (32, 64, 128, 256, 512)
"""Pixels; one for each level of the pyramid, P2 to P6."""

STRIDES = (4, 8, 16, 32, 64)
"""Pixels of the picture from one cell of a level to the next."""

RATIOS = (0.5, 1.0, 2.0)
"""Width over height."""


def make_anchors(side: int) -> np.ndarray:
    """The anchors of a square picture, as shares of its sides.

    Level by level from P2, row by row, cell by cell, and at each cell the ratios in their order: the order of the
    network's outputs. An anchor is centred on its cell's top left corner, as in the Matterport implementation.

    Args:
        side: the picture's side in pixels, a multiple of 64.

    Returns:
        float32 `[3 * cells, 4]`: top, left, bottom, right; 261,888 of them at 1024.
    """
    ratios = np.sqrt(np.array(RATIOS))
    boxes = []
    for anchor_side, stride in zip(SIDES, STRIDES, strict=True):
        half = 0.5 * anchor_side * np.stack([1 / ratios, ratios], axis=-1)  # [3, 2]: height, width
        corners = np.arange(0, side, stride)
        centres = np.stack(np.meshgrid(corners, corners, indexing="ij"), axis=-1)[:, :, None]  # [h, w, 1, 2]
        boxes.append(np.concatenate([centres - half, centres + half], axis=-1).reshape(-1, 4))
    return to_unit(np.concatenate(boxes), (side, side)).astype("float32")
