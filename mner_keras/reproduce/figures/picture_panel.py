"""A post's picture on a page: with the attention to its regions over it, or its objects' boxes."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

from mner_keras.reproduce.figures.cases import PostCase
from mner_keras.reproduce.figures.fonts import drawable, shortened
from mner_keras.reproduce.figures.page import GREY, HEAT, PALE, Page

SIDE = 140.0
"""Points that a picture's longer side takes."""

_SHOWN = 640  # pixels of a picture's longer side that a figure keeps
BOX_COLOURS = ("#d6006c", "#0072b2", "#009e73", "#e69f00", "#7a3e9d")


def draw_regions(page: Page, case: PostCase, x: float, y: float) -> None:
    """Draw a post's picture with the attention to its regions, `[k]`, laid over it, each region's share of red."""
    weights = case.explanation["region_attention"]
    side = math.isqrt(len(weights))
    axes, (width, height) = _picture_axes(page, case, x, y)
    # Where the regions make no square, they are a row of cells.
    grid = weights.reshape((side, side) if side * side == len(weights) else (1, -1))
    low, high = float(weights.min()), float(weights.max())
    share = (grid - low) / max(high - low, 1e-9)
    over = HEAT(share)
    over[..., 3] = 0.75 * share
    axes.imshow(over, extent=(0, width, height, 0), interpolation="nearest", aspect="auto", zorder=2)
    rows, columns = grid.shape
    for row in range(1, rows):
        axes.axhline(row * height / rows, color="white", linewidth=0.4, alpha=0.8, zorder=3)
    for column in range(1, columns):
        axes.axvline(column * width / columns, color="white", linewidth=0.4, alpha=0.8, zorder=3)
    page.text(x, y + SIDE + 7, f"regions {low:.4f} to {high:.4f}, even {1 / len(weights):.4f}", 6.5, GREY)


def draw_boxes(page: Page, case: PostCase, count: int, x: float, y: float, side: float = SIDE) -> None:
    """Draw a post's picture with the boxes of its first `count` objects, each with its name."""
    axes, _ = _picture_axes(page, case, x, y, side)
    boxes = case.objects.boxes
    if case.picture is None or boxes is None:
        return
    scale = case.picture.width / max(case.picture.width, case.picture.height) * side / case.picture.width
    for number, (top, left, bottom, right) in enumerate(boxes[:count]):
        colour = BOX_COLOURS[number % len(BOX_COLOURS)]
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.3))
        name = shortened(drawable(case.objects.name(number)), max(30.0, side - left * scale), 6)
        low = top * scale < 8
        axes.text(
            left,
            bottom if low else top,
            f" {name} ",
            fontsize=6,
            color="white",
            va="top" if low else "bottom",
            parse_math=False,
            bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.8},
        )


def object_line(case: PostCase, count: int) -> str:
    """The post's objects and their scores, as the papers' figures list them."""
    if not count:
        return "objects: none"
    scores = case.objects.scores
    pieces = []
    for number in range(count):
        name = drawable(case.objects.name(number))
        pieces.append(name if scores is None or number >= len(scores) else f"{name} {scores[number]:.2f}")
    return "objects: " + ", ".join(pieces)


def _picture_axes(
    page: Page, case: PostCase, x: float, y: float, side: float = SIDE
) -> tuple[Axes, tuple[float, float]]:
    """Axes of a picture's shape and pixels with the picture in them; a square with a word where there is none."""
    picture = case.picture
    size = (100, 100) if picture is None else picture.size
    scale = side / max(size)
    width, height = max(size[0] * scale, 8), max(size[1] * scale, 8)
    axes = page.place(x, y, width, height)
    axes.set(xticks=[], yticks=[], xlim=(0, size[0]), ylim=(size[1], 0))
    for spine in axes.spines.values():
        spine.set(linewidth=0.5, color=PALE)
    if picture is not None:
        shown = picture.convert("RGB")
        shown.thumbnail((_SHOWN, _SHOWN), Image.Resampling.BOX)
        axes.imshow(np.asarray(shown), extent=(0, size[0], size[1], 0), aspect="auto", interpolation="antialiased")
        axes.set(xlim=(0, size[0]), ylim=(size[1], 0))
    else:
        word = "no picture" if case.post.image_id is None else f"picture {case.post.image_id}\nnot at hand"
        axes.text(50, 50, word, ha="center", va="center", fontsize=7, color=GREY, parse_math=False, zorder=4)
    return axes, size
