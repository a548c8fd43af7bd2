"""AGBAN's figure 7: both losses by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mner_keras.errors import InputError

_ADVERSARIAL = (("adversarial_loss",), ("textual_loss", "visual_loss"))
"""The columns whose sum is the adversarial loss: of AGBAN, of the released model."""


def loss_curves_figure(
    history: Sequence[Mapping[str, float]], title: str = "", batches: tuple[float, float] = (1.0, 1.0)
) -> Figure:
    """Draw the CRF's loss and the adversarial loss by epoch, on train and dev, each on its own axis.

    Args:
        history: a row an epoch: `epoch`, `crf_loss`, `adversarial_loss` (or `textual_loss` and `visual_loss`), and the
            same with `val_` for dev.
        title: what was trained.
        batches: the mean number of posts in a batch of train and of dev, where the losses are sums over a batch: the
            figure shows them for a post.

    Raises:
        InputError: a history without the two losses.
    """
    columns = next((names for names in _ADVERSARIAL if all(name in history[0] for name in names)), None)
    if columns is None or "crf_loss" not in history[0]:
        raise InputError(
            "expected the losses of a model with a modality classifier (crf_loss, adversarial_loss), found "
            + ", ".join(sorted(history[0]))
        )
    figure = Figure(figsize=(5.2, 4.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    epochs = [row["epoch"] for row in history]
    upper, lower = figure.subplots(2, sharex=True)
    marker = "o" if len(epochs) < 30 else None
    for axes, names, label, colour in (
        (upper, ("crf_loss",), "CRF loss", "#1f5fa8"),
        (lower, columns, "adversarial loss", "#e8590c"),
    ):
        for prefix, style, split, posts in (("", "-", "train", batches[0]), ("val_", "--", "dev", batches[1])):
            if all(prefix + name in history[0] for name in names):
                values = [sum(row[prefix + name] for name in names) / posts for row in history]
                axes.plot(epochs, values, style, color=colour, label=split, marker=marker, markersize=3, linewidth=1.3)
        axes.set_ylabel(f"{label} of a post", fontsize=8)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.legend(fontsize=7, frameon=False)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    lower.set_xlabel("epoch", fontsize=8)
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    if title:
        figure.suptitle(title, fontsize=9, parse_math=False)
    return figure
