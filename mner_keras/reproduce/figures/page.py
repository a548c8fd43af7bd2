"""`Page`: a figure that is laid out in points, from the top left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

WIDTH = 518.0
"""Points: the width of a page's text in the papers' journals, 7.2 inches."""

INK, GREY, PALE = "#1a1a1a", "#6b6b6b", "#dcdcdc"
HEAT = LinearSegmentedColormap.from_list("heat", ["#ffffff", "#fdc58a", "#e8590c"])
GAMMA = LinearSegmentedColormap.from_list("gamma", ["#ffffff", "#8fb5dd", "#16427a"])
_TYPES = {"PER": "#1f5fa8", "LOC": "#23793a", "ORG": "#7a3e9d", "OTHER": "#b0480b", "MISC": "#b0480b"}
_MORE = ("#8a1538", "#00707a", "#5b5b00", "#3c3c8c")


class Page:
    """A figure with one coordinate system over all of it: points, x to the right, y downwards.

    Args:
        height: in points.
        family: the font families of its text.
        width: in points.
    """

    def __init__(self, height: float, family: Sequence[str], width: float = WIDTH) -> None:
        self.width, self.height = width, height
        self.family = list(family)
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=150, facecolor="white")
        FigureCanvasAgg(self.figure)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(height, 0))
        self.axes.axis("off")

    def text(self, x: float, y: float, text: str, size: float = 8.0, color: str = INK, **options: Any) -> None:
        """Write a text with its left end, vertically centred, at a point."""
        options = {"ha": "left", "va": "center_baseline", "family": self.family, **options}
        self.axes.text(x, y, text, fontsize=size, color=color, parse_math=False, **options)

    def box(self, x: float, y: float, width: float, height: float, color: Any, edge: Any = "none") -> None:
        """Fill a rectangle."""
        self.axes.add_patch(Rectangle((x, y), width, height, facecolor=color, edgecolor=edge, linewidth=0.6))

    def place(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes of their own at a place of the page."""
        bottom = 1 - (y + height) / self.height
        return self.figure.add_axes((x / self.width, bottom, width / self.width, height / self.height))

    def scale(self, x: float, y: float, colours: Colormap, low: str, high: str, label: str) -> None:
        """A small colour scale with its ends and what it is of."""
        strip = self.place(x, y - 3.5, 60, 7)
        strip.imshow(np.linspace(0, 1, 64)[None], aspect="auto", cmap=colours)
        strip.set(xticks=[], yticks=[])
        for spine in strip.spines.values():
            spine.set(linewidth=0.4, color=GREY)
        self.text(x - 3, y, low, 6.5, GREY, ha="right")
        self.text(x + 63, y, f"{high}   {label}", 6.5, GREY)


def type_colour(kind: str) -> str:
    """The colour of an entity type."""
    return _TYPES.get(kind) or _MORE[sum(map(ord, kind)) % len(_MORE)]


def ink_on(colour: Sequence[float]) -> str:
    """Black or white, whichever can be read on a colour."""
    red, green, blue = colour[:3]
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else INK
