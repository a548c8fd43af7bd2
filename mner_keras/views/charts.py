"""Charts of numbers, in the one style of all figures: curves by epoch, and F1 with intervals."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import MaxNLocator

from mner_keras.errors import InputError
from mner_keras.views.palette import COLOURS, OBJECT_COLOURS, TYPE_COLOURS

Curve = Mapping[str, Sequence[tuple[int, float]]]
"""Epochs and values, by split."""

_ADVERSARIAL = (("adversarial_loss",), ("textual_loss", "visual_loss"))
"""The columns whose sum is the adversarial loss: of AGBAN, of the released model."""
_FONTS = ("DejaVu Sans", "Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai")
_FONTS += ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Noto Emoji", "Symbola", "Unifont")
LINES = TYPE_COLOURS + OBJECT_COLOURS[:2]
"""Colours of lines, on white and on black."""


class Chart(NamedTuple):
    """A chart as SVG in a data URI, on a transparent ground, for a light and for a dark page."""

    label: str
    light: str
    dark: str
    description: str


class Interval(NamedTuple):
    """A system's published F1 and its measured one with its 95 % interval, in percent; NaN for none."""

    name: str
    published: float
    measured: float
    low: float
    high: float


def style(dark: bool = False) -> dict[str, Any]:
    """Return matplotlib's settings for a light or a dark page."""
    installed = {entry.name for entry in fontManager.ttflist}
    quiet = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    return {
        **dict.fromkeys(quiet, COLOURS["quiet"][dark]),
        "grid.color": COLOURS["rule"][dark],
        "font.family": [name for name in _FONTS if name in installed],
        **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize"), 8),
        **dict.fromkeys(("legend.fontsize", "xtick.labelsize", "ytick.labelsize"), 7),
        **dict.fromkeys(("legend.frameon", "axes.spines.top", "axes.spines.right"), False),
        "axes.linewidth": 0.6,
        "grid.linewidth": 0.5,
    }


def draw_chart(
    label: str, description: str, draw: Callable[..., None], size: tuple[float, float] = (3.6, 2.3)
) -> Chart:
    """Return a chart for a light and a dark page.

    Args:
        label: what it shows.
        description: its numbers in words, for those who do not see it.
        draw: draws on axes; called with `dark`.
        size: width and height in inches.
    """
    images = []
    for dark in (False, True):
        fixed = {"svg.fonttype": "none", "svg.hashsalt": "mner", "font.family": "sans-serif"}
        with matplotlib.rc_context({**style(dark), **fixed}):
            figure = Figure(figsize=size, layout="constrained")
            draw(figure.subplots(), dark=dark)
            file = io.BytesIO()
            figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
        images.append("data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode())
    return Chart(label, *images, description)


def read_curves(
    history: Sequence[Mapping[str, float]], batches: tuple[float, float] = (1.0, 1.0)
) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Return the quantities of a history: F1 first, then the losses.

    Args:
        history: one row per epoch: `epoch` and the values, with the prefix `val_` for dev.
        batches: what to divide the losses of train and dev by (`Run.posts_per_batch`).

    Returns:
        by quantity, the curve of `train`, of `dev`, or both.
    """
    columns = [name for name in (history[0] if history else ()) if name != "epoch"]
    curves: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for name in sorted({name.removeprefix("val_") for name in columns}, key=lambda n: (n != "f1", n != "loss", n)):
        for split, column, batch in (("train", name, batches[0]), ("dev", f"val_{name}", batches[1])):
            if column in columns:
                scale = 1 / batch if "loss" in name else 1.0
                curves.setdefault(name, {})[split] = [(int(row["epoch"]), scale * row[column]) for row in history]
    return curves


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
    curves = read_curves(history, batches)
    names = next((names for names in _ADVERSARIAL if all(name in curves for name in names)), None)
    if names is None or "crf_loss" not in curves:
        raise InputError(
            "expected the losses of a model with a modality classifier (crf_loss, adversarial_loss), found "
            + ", ".join(sorted(history[0]))
        )
    adversarial = {}
    for split in curves[names[0]]:
        parts = zip(*(curves[name][split] for name in names), strict=True)
        adversarial[split] = [(part[0][0], sum(value for _, value in part)) for part in parts]
    with matplotlib.rc_context(style()):
        figure = Figure(figsize=(5.2, 4.2), dpi=150, layout="constrained")
        upper, lower = figure.subplots(2, sharex=True)
        draw_curve(upper, "CRF loss (nats per post)", curves["crf_loss"], best_epoch)
        draw_curve(lower, "adversarial loss (nats per post)", adversarial, best_epoch)
        upper.set_xlabel("")
        figure.suptitle(title, fontsize=9, parse_math=False)
    return figure


def draw_curve(axes: Axes, label: str, curve: Curve, best_epoch: int | None = None, dark: bool = False) -> None:
    """Draw a curve of train and dev by epoch, and mark the best epoch."""
    for split, line, colours in (("train", "-", LINES[0]), ("dev", "--", LINES[3])):
        if split in curve:
            marker = "o" if len(curve[split]) < 30 else None
            axes.plot(*np.transpose(curve[split]), line, label=split, color=colours[dark], marker=marker, ms=3, lw=1.3)
    if best_epoch:
        axes.axvline(best_epoch, label=f"best epoch, {best_epoch}", color=COLOURS["quiet"][dark], ls=":", lw=1.2)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=axes.get_ylim()[0] if axes.dataLim.ymin < 0 else 0.0)
    _finish_epochs(axes)


def draw_runs(axes: Axes, label: str, curves: Mapping[str, tuple[Curve, int | None]], dark: bool = False) -> None:
    """Draw the dev curves of runs over each other; a dot marks a run's best epoch."""
    for number, (name, (curve, best_epoch)) in enumerate(curves.items()):
        points, colour = dict(curve["dev"]), LINES[number % len(LINES)][dark]
        (line,) = axes.plot(points.keys(), points.values(), "-" if number < len(LINES) else "--", color=colour, lw=1.2)
        line.set_label(name)
        if best_epoch in points:
            axes.plot(best_epoch, points[best_epoch], "o", color=colour, ms=5)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    _finish_epochs(axes)


def draw_intervals(axes: Axes, label: str, rows: Sequence[Interval], dark: bool = False) -> None:
    """Draw the published and the measured F1 of systems, from top to bottom."""
    colour, quiet = LINES[0][dark], COLOURS["quiet"][dark]
    _, published, measured, low, high = (np.array(values) for values in zip(*rows, strict=True))
    places = np.arange(len(rows))
    axes.plot(published, places, "D", mfc="none", mec=quiet, ms=5, label="published")
    errors = np.stack([measured - low, high - measured])
    axes.errorbar(measured, places, xerr=errors, fmt="o", color=colour, ms=5, lw=1.5, label="measured, 95 % interval")
    axes.set(xlabel=label, ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(places, [row.name for row in rows], parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)


def draw_reliability(axes: Axes, calibration: Mapping[str, Any], dark: bool = False) -> None:
    """Draw the precision of entities by their score, before and after the temperature (`run.calibration`)."""
    axes.plot((0, 100), (0, 100), ":", color=COLOURS["quiet"][dark], lw=1.2, label="calibrated")
    for when, line, colours in (("before", "--", LINES[3]), ("after", "-", LINES[0])):
        points = [(row["score"], row["precision"]) for row in calibration[when]["bins"]]
        axes.plot(*np.reshape(points, (-1, 2)).T, line, label=when, color=colours[dark], marker="o", ms=3, lw=1.3)
    axes.set(xlabel="score of entities (percent)", ylabel="precision (percent)")
    axes.grid()
    axes.legend()


def describe_curve(curve: Curve) -> str:
    """The first and last value of each split, in words."""
    parts = []
    for split, points in curve.items():
        known = [(epoch, value) for epoch, value in points if math.isfinite(value)]
        ends = dict.fromkeys((known[0], known[-1])) if known else ()
        parts += [f"{split} " + ", ".join(f"{value:.4g} in epoch {epoch}" for epoch, value in ends)] if ends else []
    return "; ".join(parts)


def _finish_epochs(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    axes.grid()
    axes.legend()
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
