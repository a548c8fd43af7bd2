"""The curves of a run's history: read once, drawn once, for AGBAN's figure 7 and for the report."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mner_keras.errors import InputError
from mner_keras.views.case import TYPE_COLOURS

Curve = Mapping[str, Sequence[tuple[int, float]]]
"""Epochs and values, by split."""

_ADVERSARIAL = (("adversarial_loss",), ("textual_loss", "visual_loss"))
"""The columns whose sum is the adversarial loss: of AGBAN, of the released model."""
_INK = ("#565c66", "#a9b0ba")


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
    history: Sequence[Mapping[str, float]], title: str = "", batches: tuple[float, float] = (1.0, 1.0)
) -> Figure:
    """Draw AGBAN's figure 7: the CRF loss and the adversarial loss by epoch, on train and dev.

    Args:
        history: one row per epoch: `epoch`, `crf_loss`, `adversarial_loss` (or `textual_loss` and `visual_loss`), and
            the same with `val_` for dev.
        title: a heading.
        batches: the mean number of posts in a batch of train and of dev if the losses are sums over a batch.

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
    figure = Figure(figsize=(5.2, 4.2), dpi=150, layout="constrained")
    upper, lower = figure.subplots(2, sharex=True)
    draw_curve(upper, "CRF loss per post", curves["crf_loss"])
    draw_curve(lower, "adversarial loss per post", adversarial)
    lower.set_xlabel("epoch", fontsize=8)
    if title:
        figure.suptitle(title, fontsize=9, parse_math=False)
    return figure


def draw_curve(axes: Axes, label: str, curve: Curve, dark: bool = False) -> None:
    """Draw a curve of train and dev by epoch."""
    for split, style, colours in (("train", "-", TYPE_COLOURS[0]), ("dev", "--", TYPE_COLOURS[3])):
        if split in curve:
            marker = "o" if len(curve[split]) < 30 else None
            look = {"color": colours[dark], "marker": marker, "markersize": 3, "lw": 1.3}
            axes.plot(*np.transpose(curve[split]), style, label=split, **look)
    axes.set_ylabel(label, fontsize=8)
    axes.set_ylim(bottom=axes.get_ylim()[0] if axes.dataLim.ymin < 0 else 0.0)
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.legend(fontsize=7, frameon=False)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def curve_image(label: str, curve: Curve, dark: bool = False) -> str:
    """A curve as an SVG in a data URI, on a transparent ground, for a light or a dark page."""
    names = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color")
    fixed = {"svg.fonttype": "none", "svg.hashsalt": "mner", "font.family": "sans-serif"}
    with matplotlib.rc_context(dict.fromkeys(names, _INK[dark]) | fixed):
        figure = Figure(figsize=(3.6, 2.3), layout="constrained")
        draw_curve(figure.subplots(), label, curve, dark)
        file = io.BytesIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()


def describe_curve(curve: Curve) -> str:
    """The first and last value of each split, in words."""
    parts = []
    for split, points in curve.items():
        known = [(epoch, value) for epoch, value in points if math.isfinite(value)]
        ends = dict.fromkeys((known[0], known[-1])) if known else ()
        parts += [f"{split} " + ", ".join(f"{value:.4g} in epoch {epoch}" for epoch, value in ends)] if ends else []
    return "; ".join(parts)
