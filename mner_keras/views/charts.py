"""Charts of numbers, in the one style of all figures: curves by epoch, F1 with intervals, calibration."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.rcsetup import cycler
from matplotlib.ticker import MaxNLocator

from mner_keras.errors import InputError
from mner_keras.views.palette import COLOURS, OBJECT_COLOURS, TYPE_COLOURS

Curve = Mapping[str, Sequence[tuple[int, float]]]
"""Epochs and values by the line's name: a split or a run."""

_FONTS = ("DejaVu Sans", "Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai")
_FONTS += ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Noto Emoji", "Symbola", "Unifont")
_LINES = (TYPE_COLOURS[0], TYPE_COLOURS[3], TYPE_COLOURS[1], TYPE_COLOURS[2], *TYPE_COLOURS[4:], *OBJECT_COLOURS[:2])
_QUIET = COLOURS["quiet"][0]
_BOTH = {light: f"light-dark({light}, {dark})" for light, dark in (*COLOURS.values(), *_LINES)}


class Chart(NamedTuple):
    """A chart as SVG in a data URI, on a transparent ground, which follows the page's light or dark mode."""

    label: str
    image: str
    description: str  # its numbers in words, for those who do not see it


def style() -> dict[str, Any]:
    """Return matplotlib's settings for all figures."""
    installed = {entry.name for entry in fontManager.ttflist}
    quiet = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    return {
        **dict.fromkeys(quiet, _QUIET),
        "grid.color": COLOURS["rule"][0],
        "font.family": [name for name in _FONTS if name in installed],
        **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize"), 8),
        **dict.fromkeys(("legend.fontsize", "xtick.labelsize", "ytick.labelsize"), 7),
        **dict.fromkeys(("legend.frameon", "axes.spines.top", "axes.spines.right"), False),
        "axes.linewidth": 0.6,
        "grid.linewidth": 0.5,
        "lines.linewidth": 1.3,
        "lines.markersize": 5,
        # 30 lines that differ.
        "axes.prop_cycle": cycler(color=[light for light, _ in _LINES] * 3, linestyle=["-", "--", "-."] * 10),
    }


def draw_chart(
    label: str, description: str, draw: Callable[..., None], *values: Any, size: tuple[float, float] = (3.6, 2.3)
) -> Chart:
    """Return a chart of the size in inches; `draw` is called with axes, the label and the values."""
    fixed = {"svg.fonttype": "none", "svg.hashsalt": "mner", "font.family": "sans-serif"}
    with matplotlib.rc_context({**style(), **fixed}):
        figure, file = Figure(figsize=size, layout="constrained"), io.StringIO()
        draw(figure.subplots(), label, *values)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda found: _BOTH.get(found[0], found[0]), file.getvalue())
    svg = svg.replace("<svg ", '<svg style="color-scheme: light dark" ', 1)
    return Chart(label, "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode(), description)


def read_curves(
    history: Sequence[Mapping[str, float]], batches: tuple[float, float] = (1.0, 1.0)
) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Return the quantities of a history, F1 first, then the losses: for each, the curve of `train`, `dev` or both.

    The arguments are those of `loss_curves_figure`.
    """
    curves: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for column in history[0] if history else ():
        if column != "epoch":
            is_dev, name = column.startswith("val_"), column.removeprefix("val_")
            scale = 1 / batches[is_dev] if "loss" in name else 1.0
            points = [(int(row["epoch"]), scale * row[column]) for row in history]
            curves.setdefault(name, {})["dev" if is_dev else "train"] = points
    return dict(sorted(curves.items(), key=lambda item: (item[0] != "f1", item[0] != "loss", item[0])))


def loss_curves_figure(
    history: Sequence[Mapping[str, float]],
    title: str = "",
    batches: tuple[float, float] = (1.0, 1.0),
    best_epoch: int | None = None,
) -> Figure:
    """Draw AGBAN's figure 7: the CRF loss and the adversarial loss by epoch, on train and dev, in nats per post.

    Args:
        history: one row per epoch: `epoch`, `crf_loss`, `adversarial_loss` (or `textual_loss` and `visual_loss`), and
            the same with `val_` for dev.
        title: a heading.
        batches: the mean number of posts in a batch of train and of dev if the losses are sums over a batch.
        best_epoch: the epoch to mark.

    Raises:
        InputError: the history does not contain the two losses.
    """
    rows = [dict(row) for row in history]
    for row in rows:  # the released model has the two parts of the adversarial loss
        for split in ("", "val_"):
            if f"{split}textual_loss" in row:
                row[f"{split}adversarial_loss"] = row[f"{split}textual_loss"] + row[f"{split}visual_loss"]
    curves = read_curves(rows, batches)
    if not {"crf_loss", "adversarial_loss"} <= curves.keys():
        raise InputError(
            "expected the losses of a model with a modality classifier (crf_loss, adversarial_loss), found "
            + ", ".join(sorted(history[0]))
        )
    with matplotlib.rc_context(style()):
        figure = Figure(figsize=(5.2, 4.2), dpi=150, layout="constrained")
        upper, lower = figure.subplots(2, sharex=True)
        draw_curve(upper, "CRF loss (nats per post)", curves["crf_loss"], best_epoch)
        draw_curve(lower, "adversarial loss (nats per post)", curves["adversarial_loss"], best_epoch)
        upper.set_xlabel("")
        figure.suptitle(title, fontsize=9, parse_math=False)
    return figure


def draw_curve(axes: Axes, label: str, curve: Curve, best: int | None | Mapping[str, int | None] = None) -> None:
    """Draw lines by epoch, and mark the best epoch: of the whole, or by the line's name."""
    for name, points in curve.items():
        marker = "o" if len(points) < 30 and len(curve) <= 2 else None
        look = {"color": _LINES[1][0], "ls": "--"} if name == "dev" else {}  # as next to a curve of train
        axes.plot(*np.transpose(points), label=name, marker=marker, ms=3, **look)
    if isinstance(best, Mapping):
        dots = [(best[name], dict(points)[best[name]]) for name, points in curve.items() if best[name] in dict(points)]
        axes.plot(*np.reshape(dots, (-1, 2)).T, "o", color=_QUIET, label="best epoch")
    elif best:
        axes.axvline(best, label=f"best epoch, {best}", color=_QUIET, ls=":")
    axes.set(xlabel="epoch", ylabel=label, ylim=(axes.get_ylim()[0] if axes.dataLim.ymin < 0 else 0.0, None))
    axes.grid()
    axes.legend()
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw_intervals(axes: Axes, label: str, rows: Sequence[tuple[str, float, float, float, float]]) -> None:
    """Draw systems from top to bottom: name, published F1, measured F1 with the ends of its interval; NaN for none."""
    names, published, measured, low, high = map(np.array, zip(*rows, strict=True))
    places = np.arange(len(rows))
    axes.plot(published, places, "D", mfc="none", mec=_QUIET, label="published")
    errors = (measured - low, high - measured)
    axes.errorbar(measured, places, xerr=errors, fmt="o", color=_LINES[0][0], label="measured, 95 % interval")
    axes.set(xlabel=f"{label} (percent)", ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(places, names, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)


def draw_reliability(axes: Axes, label: str, calibration: Mapping[str, Any]) -> None:
    """Draw the precision of entities by their score, before and after the temperature (`run.calibration`)."""
    for when in ("before", "after"):
        points = [(row["score"], row["precision"]) for row in calibration[when]["bins"]]
        axes.plot(*np.reshape(points, (-1, 2)).T, label=when, marker="o", ms=3)
    axes.plot((0, 100), (0, 100), ":", color=_QUIET, label="calibrated")
    axes.set(xlabel=f"score of {label} (percent)", ylabel="precision (percent)")
    axes.grid()
    axes.legend()


def describe_curve(curve: Curve) -> str:
    """The first and last finite value of each line, in words."""
    parts = []
    for name, points in curve.items():
        known = [f"{value:.4g} in epoch {epoch}" for epoch, value in points if math.isfinite(value)]
        parts += [f"{name} {', '.join(dict.fromkeys((known[0], known[-1])))}"] if known else []
    return "; ".join(parts)
