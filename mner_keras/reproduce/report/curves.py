"""`Chart`: a run's history as lines in a small drawing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 320.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 10.0, 8.0, 24.0
"""The drawing's units: those of an SVG's viewBox; the margins around the lines."""

_VAL = "val_"


@dataclasses.dataclass(frozen=True)
class Series:
    """One line.

    Args:
        name: `train` or `dev`.
        points: x, y in the drawing, the epoch and the value, one an epoch.
    """

    name: str
    points: tuple[tuple[float, float, int, float], ...]

    @property
    def path(self) -> str:
        """The line as an SVG polyline's points."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in self.points)


@dataclasses.dataclass(frozen=True)
class Chart:
    """A quantity by epoch, on train and dev.

    Args:
        name: what is drawn.
        series: its lines.
        x_ticks: place and label.
        y_ticks: place and label.
        summary: what the lines say, in words.
    """

    name: str
    series: tuple[Series, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    summary: str


def make_charts(history: Sequence[Mapping[str, float]], batches: tuple[float, float] = (1.0, 1.0)) -> list[Chart]:
    """The charts of a history: F1 first (in percent), then the losses.

    Args:
        history: a row an epoch, `epoch` and what was measured; what begins with `val_` is of dev.
        batches: what the losses of train and dev are divided by (`mner_keras.run.run.Run.posts_per_batch`).
    """
    if not history:
        return []
    names = dict.fromkeys(name.removeprefix(_VAL) for name in history[0] if name != "epoch")
    charts = []
    for name in sorted(names, key=lambda name: (name != "f1", name != "loss", name)):
        values = {}
        for split, column, batch in (("train", name, batches[0]), ("dev", _VAL + name, batches[1])):
            if column in history[0]:
                scale = 1 / batch if "loss" in name else 1.0
                values[split] = [(int(row["epoch"]), scale * row[column]) for row in history]
        charts.append(_chart("F1" if name == "f1" else _label(name), values))
    return charts


def _label(name: str) -> str:
    return name.replace("_", " ").replace("crf", "CRF")


def _chart(name: str, values: Mapping[str, list[tuple[int, float]]]) -> Chart:
    known = [value for line in values.values() for _, value in line if math.isfinite(value)] or [0.0]
    epochs = [epoch for line in values.values() for epoch, _ in line]
    first, last = min(epochs), max(epochs)
    low, high = min(0.0, *known), max(*known, 1e-9)
    y_ticks = [tick for tick in MaxNLocator(4).tick_values(low, high) if tick >= low - 1e-12]
    low, high = min(low, y_ticks[0]), max(high, y_ticks[-1])

    def x(epoch: float) -> float:
        span = WIDTH - LEFT - RIGHT
        return LEFT + span * ((epoch - first) / (last - first) if last > first else 0.5)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    series = tuple(
        Series(split, tuple((x(epoch), y(value), epoch, value) for epoch, value in line if math.isfinite(value)))
        for split, line in values.items()
    )
    ticks = MaxNLocator(6, integer=True).tick_values(first, last) if last > first else [first]
    x_ticks = [tick for tick in ticks if first <= tick <= last]
    return Chart(
        name,
        series,
        tuple((x(tick), f"{tick:g}") for tick in x_ticks),
        tuple((y(tick), f"{tick:g}") for tick in y_ticks),
        "; ".join(_words(line) for line in series if line.points),
    )


def _words(line: Series) -> str:
    _, _, first, begin = line.points[0]
    _, _, last, end = line.points[-1]
    if first == last:
        return f"{line.name} {begin:.4g} in epoch {first}"
    return f"{line.name} {begin:.4g} in epoch {first}, {end:.4g} in epoch {last}"
