"""Charts of numbers, in the one style of all figures; AGBAN's figures 5 and 7."""

import base64
import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.rcsetup import cycler
from matplotlib.ticker import MaxNLocator

from mner_keras.data.post import Post
from mner_keras.errors import InputError
from mner_keras.views.palette import COLOURS, OBJECT_COLOURS, TYPE_COLOURS

if TYPE_CHECKING:
    from mner_keras.tagger import Tagger

Curve = Mapping[str, Sequence[tuple[int, float]]]  # epochs and values by the line's name: a split or a run

_FONTS = ("DejaVu Sans", "Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai")
_FONTS += ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Noto Emoji", "Symbola", "Unifont")
_LINES = (TYPE_COLOURS[0], TYPE_COLOURS[3], TYPE_COLOURS[1], TYPE_COLOURS[2], *TYPE_COLOURS[4:], *OBJECT_COLOURS[:2])
_FOLDS = 5
_QUIET = COLOURS["quiet"][0]
_BOTH = {light: f"light-dark({light}, {dark})" for light, dark in (*COLOURS.values(), *_LINES)}


class Chart(NamedTuple):
    """A chart as SVG in a data URI, on a transparent ground, which follows the page's light or dark mode."""

    description: str  # for those who do not see it
    image: str


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


def draw_chart(description: str, draw: Callable[..., None], *values: Any, size: tuple = (3.6, 2.3)) -> Chart:
    """Return a chart of the size in inches; `draw` is called with axes and the values."""
    fixed = {"svg.fonttype": "none", "svg.hashsalt": "mner", "font.family": "sans-serif"}
    with matplotlib.rc_context({**style(), **fixed}):
        figure, file = Figure(figsize=size, layout="constrained"), io.StringIO()
        draw(figure.subplots(), *values)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda found: _BOTH.get(found[0], found[0]), file.getvalue())
    svg = svg.replace("<svg ", '<svg style="color-scheme: light dark" ', 1)
    return Chart(description, "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode())


def read_curves(
    history: Sequence[Mapping[str, float]], batches: tuple[float, float] = (1.0, 1.0)
) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Return by quantity, F1 first, the curves of `train` and `dev`; arguments as for `loss_curves_figure`."""
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
        expected = "expected the losses of a model with a modality classifier (crf_loss, adversarial_loss)"
        raise InputError(f"{expected}, found {', '.join(sorted(history[0]))}")
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


def draw_intervals(axes: Axes, rows: Sequence[tuple[str, float, float, float, float]]) -> None:
    """Draw systems from top to bottom: name, published F1, measured F1 with the ends of its interval; NaN for none."""
    names, published, measured, low, high = map(np.array, zip(*rows, strict=True))
    places = np.arange(len(rows))
    axes.plot(published, places, "D", mfc="none", mec=_QUIET, label="published")
    errors = (measured - low, high - measured)
    axes.errorbar(measured, places, xerr=errors, fmt="o", color=_LINES[0][0], label="measured, 95 % interval")
    axes.set(xlabel="F1 (percent)", ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(places, names, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)


def draw_reliability(axes: Axes, calibration: Mapping[str, Any]) -> None:
    """Draw the precision of entities by their score, before and after the temperature (`run.calibration`)."""
    for when in ("before", "after"):
        points = [(row["score"], row["precision"]) for row in calibration[when]["bins"]]
        axes.plot(*np.reshape(points, (-1, 2)).T, label=when, marker="o", ms=3)
    axes.plot((0, 100), (0, 100), ":", color=_QUIET, label="calibrated")
    axes.set(xlabel="score of entities (percent)", ylabel="precision (percent)")
    axes.grid()
    axes.legend()


class ModalityFeatures(NamedTuple):
    """Projected features of tokens (G_T) and objects (G_V)."""

    features: np.ndarray  # [n, d]
    is_text: np.ndarray  # [n]: whether each is a token's
    posts: np.ndarray  # [n]: the number of the post of each


def sample_features(
    model: "Tagger", posts: Sequence[Post], features: Any, count: int = 500, seed: int = 1
) -> ModalityFeatures:
    """Return the projected features of tokens and objects drawn at random, the same ones for every model.

    Args:
        model, features: AGBAN, and the store of the pictures' features.
        count: how many tokens and objects to draw; all of them if there are fewer.

    Raises:
        InputError: the model has no such features, or the posts have too few tokens or objects.
    """
    found = model.explain(posts, features)
    if "object_features" not in found[0]:
        raise InputError(f"expected a model that projects words and objects (agban), found a {type(model).__name__}")
    rng = np.random.default_rng(seed)
    drawn = []
    for key, what in (("text_features", "tokens"), ("object_features", "objects")):
        rows = np.concatenate([item[key] for item in found])
        owners = np.repeat(np.arange(len(found)), [len(item[key]) for item in found])
        if len(rows) < 2 * _FOLDS:
            raise InputError(f"expected at least {2 * _FOLDS} {what} in the posts, found {len(rows)}")
        chosen = np.sort(rng.permutation(len(rows))[:count])
        drawn.append((rows[chosen], np.full(len(chosen), what == "tokens"), owners[chosen]))
    return ModalityFeatures(*map(np.concatenate, zip(*drawn, strict=True)))


def linear_separability(sample: ModalityFeatures) -> float:
    """Return how well a linear classifier separates words from objects on held-out posts: 0.5 is chance, 1 is perfect.

    This is the balanced accuracy of a logistic regression on standardised features, the mean over five folds; the
    tokens and objects of a post are in the same fold.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
    folds = GroupKFold(min(_FOLDS, len(np.unique(sample.posts))), shuffle=True, random_state=0)
    how = {"groups": sample.posts, "cv": folds, "scoring": "balanced_accuracy"}
    with warnings.catch_warnings(action="ignore"):
        return float(cross_val_score(classifier, sample.features, sample.is_text, **how).mean())


def modality_space_figure(
    samples: Mapping[str, ModalityFeatures], perplexity: float = 60.0, iterations: int = 500, seed: int = 1
) -> Figure:
    """Draw words and objects as AGBAN's figure 5 does: one t-SNE map per model, side by side, on the same axes.

    Below each map is the `linear_separability`: near 50 % if adversarial training has mixed words and objects. Each map
    is computed alone; positions in one cannot be compared with positions in another.

    Args:
        samples: features by the model's name, from `sample_features`.
        perplexity: at most a third of the points.
        iterations: more than 250: the first 250 only gather the points.

    Reference:
        Zheng et al. 2020, section IV-D: 500 tokens, 500 objects, perplexity 60, 500 iterations.
    """
    from sklearn.manifold import TSNE

    with matplotlib.rc_context(style()):
        figure = Figure(figsize=(7.2, 3.95), dpi=150, layout="constrained")
        panels = figure.subplots(1, len(samples), sharex=True, sharey=True, squeeze=False)[0]
        far = 0.0
        for number, (axes, (name, (features, is_text, _))) in enumerate(zip(panels, samples.items(), strict=True)):
            near = min(perplexity, (len(features) - 1) / 3)
            places = TSNE(perplexity=near, max_iter=iterations, init="pca", random_state=seed).fit_transform(features)
            places -= (places.max(axis=0) + places.min(axis=0)) / 2
            far = max(far, 1.06 * float(np.abs(places).max()))
            look = {"s": 9, "linewidths": 0, "alpha": 0.75}  # orange and blue, as in the paper
            axes.scatter(*places[is_text].T, label=f"{is_text.sum()} tokens", color="#f28e2b", marker="o", **look)
            axes.scatter(*places[~is_text].T, label=f"{(~is_text).sum()} objects", color="#2f6db5", marker="^", **look)
            axes.set_title(f"({chr(97 + number)}) {name}", parse_math=False)
            accuracy = 100 * linear_separability(samples[name])
            axes.set_xlabel(f"linear classifier on held-out posts: {accuracy:.1f} % (chance 50 %)")
            axes.set(xticks=[], yticks=[], aspect="equal")
            axes.legend(loc="best", framealpha=0.9, markerscale=1.5)
        panels[0].set(xlim=(-far, far), ylim=(-far, far))
        return figure
