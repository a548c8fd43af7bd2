"""Pictures brought to the network's square, and boxes brought back."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from mner_keras.vision.mask_rcnn.boxes import to_pixels, to_unit

_SHORT, _LONG = 800, 1024


def square_picture(picture: Image.Image, side: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture in the middle of a black square, its sides' ratio kept.

    It grows until its shorter side measures 800 pixels, but never beyond 1024 of the longer (of a square of 1024; of
    others in proportion), and shrinks only where it would not fit. Bilinear, each pixel from the four nearest ones,
    also where it shrinks, black beyond the edge, cut to whole numbers: the pixels that scikit-image gave the Matterport
    implementation.

    Args:
        picture: an RGB picture.
        side: of the square, in pixels.

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
    """Boxes of the square, as shares of its sides `[k, 4]`, in pixels of the picture: int64 `[k, 4]`.

    Args:
        boxes: top, left, bottom, right as shares of the square.
        window: what `square_picture` gave.
        side: of the square.
        size: the picture's width and height.
    """
    window = to_unit(window, (side, side))
    corner, opposite = np.tile(window[:2], 2), np.tile(window[2:], 2)
    return to_pixels((boxes - corner) / (opposite - corner), (size[1], size[0]))
