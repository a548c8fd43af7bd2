"""A post's picture on a page: with the attention to its regions over it, or its objects' boxes."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

from mner_keras.reproduce.figures.cases import PostCase
from mner_keras.reproduce.figures.fonts import drawable, shortened, text_width
from mner_keras.reproduce.figures.page import GREY, HEAT, PALE, Page

SIDE = 140.0
"""Points that a picture's longer side takes."""

_NAME, _LINE = 6.0, 8.0  # size and height of an object's name
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
    even = 1 / len(weights)
    uneven = f"regions {low:.4f} to {high:.4f}, even {even:.4f}"
    page.text(x, y + SIDE + 7, uneven if high - low > 1e-4 * even else f"all regions {even:.4f}", 6.5, GREY)


def draw_boxes(page: Page, case: PostCase, count: int, x: float, y: float, side: float = SIDE) -> None:
    """Draw a post's picture with the boxes of its first `count` objects, each with its name."""
    axes, _ = _picture_axes(page, case, x, y, side)
    boxes = case.objects.boxes
    if case.picture is None or boxes is None:
        return
    pixel = side / max(case.picture.size)  # in points
    across, down = case.picture.width * pixel, case.picture.height * pixel
    taken: list[tuple[float, float, float]] = []
    for number, (top, left, bottom, right) in enumerate(boxes[:count] * pixel):
        colour = BOX_COLOURS[number % len(BOX_COLOURS)]
        corner = left / pixel, top / pixel
        size = (right - left) / pixel, (bottom - top) / pixel
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=1.3, zorder=3))
        name = shortened(drawable(case.objects.name(number)), 70, _NAME)
        width = text_width(name, _NAME) + 4
        # The first corner of the box where the name covers no other name.
        places = [(u, v) for v in (top - _LINE, bottom, top, bottom - _LINE) for u in (left, right - width)]
        places = [(min(max(u, 0), max(0, across - width)), min(max(v, 0), max(0, down - _LINE))) for u, v in places]
        u, v = next((place for place in places if not _covers(place, width, taken)), places[0])
        taken.append((u, v, width))
        place, size = (u / pixel, v / pixel), (width / pixel, _LINE / pixel)
        axes.add_patch(Rectangle(place, *size, facecolor=colour, edgecolor="none", zorder=4))
        middle = (v + _LINE / 2) / pixel
        style = {"color": "white", "va": "center_baseline", "parse_math": False, "zorder": 5}
        axes.text((u + 2) / pixel, middle, name, fontsize=_NAME, **style)


def _covers(place: tuple[float, float], width: float, taken: list[tuple[float, float, float]]) -> bool:
    """Whether a name at a place would cover one of those that stand, each left, top and width."""
    x, y = place
    return any(abs(y - top) < _LINE and x < left + wide and left < x + width for left, top, wide in taken)


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
        blank = ":\nthe model sees a blank one" if "region_attention" in case.explanation else ""
        word = f"no picture{blank}" if case.post.image_id is None else f"picture {case.post.image_id}\nnot at hand"
        axes.text(50, 50, word, ha="center", va="center", fontsize=7, color=GREY, parse_math=False, zorder=4)
    return axes, size
