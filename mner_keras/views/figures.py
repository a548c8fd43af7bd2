"""Figures as the papers draw them, in plain matplotlib: posts with their attention, curves, words beside objects."""

from __future__ import annotations

import base64
import io
import math
import os
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from mner_keras.errors import InputError
from mner_keras.files import write_whole
from mner_keras.views.case import (
    MOST_TOKENS,
    OBJECT_COLOURS,
    TYPE_COLOURS,
    Column,
    PostCase,
    is_right_to_left,
    region_grid,
    shares,
    type_number,
)

if TYPE_CHECKING:
    from mner_keras.data.post import Post
    from mner_keras.tagger import Tagger

ENDINGS = (".png", ".svg", ".pdf")
_COLOURS = {
    "heat": LinearSegmentedColormap.from_list("heat", ["#ffffff", "#fdc58a", "#e8590c"]),
    "gamma": LinearSegmentedColormap.from_list("gamma", ["#ffffff", "#8fb5dd", "#16427a"]),
}
GREY = "#565c66"
_PER_ROW = 16  # tokens in a row of the map
_LONGEST = 14  # characters of a token that are shown
_FONTS = ("DejaVu Sans", "Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai")
_FONTS += ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Noto Emoji", "Symbola", "Unifont")
_DATES = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
Curve = Mapping[str, Sequence[tuple[int, float]]]
"""Epochs and values, by split."""

_ADVERSARIAL = (("adversarial_loss",), ("textual_loss", "visual_loss"))
"""The columns whose sum is the adversarial loss: of AGBAN, of the released model."""
_INK = ("#565c66", "#a9b0ba")
_FOLDS = 5


def hsn_attention_figure(cases: Sequence[PostCase]) -> Figure:
    """Draw posts as HSN's figures 5 and 6 do.

    Over the picture: the attention of the text to its regions (s_img). In the map: the attention of the picture to the
    tokens (s_sen), gamma (eq. 17; the mean over features), and the gold and predicted entities. Attention is coloured
    from a post's smallest to its largest value, and its values are printed.

    Args:
        cases: posts with HSN's explanation, as `make_cases` returns them.
    """
    return _figure(cases, "orange: a post's smallest to largest attention; blue: gamma, 0 fusion to 1 text")


def attention_map_figure(cases: Sequence[PostCase]) -> Figure:
    """Draw posts as AGBAN's figure 6 does: a map of objects by tokens, and the picture with the objects' boxes.

    Each cell is A of eq. 9, a token's attention to an object (for the released model, the mean over its glimpses),
    coloured from 0 to the post's largest weight.

    Args:
        cases: posts with AGBAN's explanation.
    """
    return _figure(cases, "orange: attention of a token to an object, 0 to the post's largest")


def case_study_figure(cases: Sequence[PostCase]) -> Figure:
    """Draw posts as AGBAN's figures 8 and 9 do: the picture and its objects, the gold and each system's entities.

    Args:
        cases: posts with the tags of the systems to compare.
    """
    return _figure(cases, "", numbers=False)


def write_figure(figure: Figure, path: str | os.PathLike) -> list[str]:
    """Write a figure as PNG, SVG or PDF, by the file's ending; the same figure gives the same bytes.

    Args:
        figure: a matplotlib figure.
        path: the file.

    Returns:
        notes for the user: characters that no installed font has.
    """
    path = Path(path)
    ending = path.suffix.lower()
    with warnings.catch_warnings(record=True) as caught, matplotlib.rc_context({"svg.hashsalt": "mner"}):
        warnings.simplefilter("always")
        options = {"format": ending[1:], "dpi": 200, "metadata": _DATES.get(ending, {})}
        try:
            write_whole(path, lambda place: figure.savefig(place, **options))
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror or error}", path) from None
    missing = {str(item.message) for item in caught if "missing from font" in str(item.message)}
    return [f"{len(missing)} characters are in no installed font: boxes replace them"] if missing else []


def _figure(cases: Sequence[PostCase], note: str, numbers: bool = True) -> Figure:
    installed = {entry.name for entry in fontManager.ttflist}
    family = [name for name in _FONTS if name in installed]
    with matplotlib.rc_context({"font.family": family, "axes.linewidth": 0.5}):
        maps = [case.columns if numbers else [] for case in cases]
        lanes = [bool(case.post.tags) + len(case.predicted) for case in cases]
        parts = [-(-min(len(case.post), MOST_TOKENS) // _PER_ROW) for case in cases]
        heights = [
            0.4 + max(1.9, count * (0.75 + 0.2 * (len(found) + lane)))
            for found, lane, count in zip(maps, lanes, parts, strict=True)
        ]
        figure = Figure(figsize=(7.2, sum(heights) + 0.3), dpi=150, layout="constrained", facecolor="white")
        panels = figure.subfigures(len(cases), 1, height_ratios=heights, squeeze=False)[:, 0]
        for number, (panel, case, found) in enumerate(zip(panels, cases, maps, strict=True)):
            title = f"({chr(97 + number % 26)}) {_shown(case.name, 60)}"
            panel.suptitle(title, x=0.01, ha="left", fontsize=8.5, weight="bold", parse_math=False)
            grid = panel.add_gridspec(parts[number], 2, width_ratios=(1, 2.6))
            _draw_picture(panel.add_subplot(grid[:, 0]), case, not numbers)
            for part in range(parts[number]):
                tokens = range(part * _PER_ROW, min((part + 1) * _PER_ROW, len(case.post), MOST_TOKENS))
                axes = panel.add_subplot(grid[part, 1])
                _draw_tokens(axes, case, tokens, found)
            if len(case.post) > MOST_TOKENS:
                axes.set_xlabel(f"and {len(case.post) - MOST_TOKENS:,} more tokens", fontsize=7, color=GREY)
        gold = "hollow, ×: not a gold entity" if any(case.post.tags for case in cases) else ""
        figure.supxlabel("; ".join(filter(None, (note, gold))), fontsize=6.5, color=GREY)
    return figure


def _draw_picture(axes: Axes, case: PostCase, objects: bool) -> None:
    """Draw the picture with the attention to its regions or the boxes of its objects, or why there is none."""
    axes.set(xticks=[], yticks=[], anchor="N")
    regions = case.explanation.get("region_attention")
    if case.picture is None:
        axes.set(xlim=(0, 1), ylim=(1, 0), aspect="equal")
        axes.text(
            0.5, 0.5, textwrap.fill(case.why_none, 24), ha="center", va="center", fontsize=7, color=GREY, zorder=4
        )
        width = height = 1.0
    else:
        width, height = case.picture.size
        small = case.picture.convert("RGB")
        small.thumbnail((640, 640))
        axes.imshow(np.asarray(small), extent=(0, width, height, 0))
    labels = []
    if regions is not None:
        grid = region_grid(regions)
        share = shares(grid)
        axes.imshow(
            share, _COLOURS["heat"], alpha=0.75 * share, extent=(0, width, height, 0), interpolation="nearest", zorder=2
        )
        labels.append(f"regions {regions.min():.4f} to {regions.max():.4f}; uniform {1 / len(regions):.4f}")
    elif case.picture is not None and case.objects.boxes is not None:
        for number, (top, left, bottom, right) in enumerate(case.objects.boxes[: len(case.object_names)]):
            colour = OBJECT_COLOURS[number % len(OBJECT_COLOURS)][0]
            axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, lw=1.3))
            box = {"facecolor": colour, "edgecolor": "none", "pad": 1}
            name = _shown(case.objects.name(number), 20)
            axes.text(left, top, name, fontsize=6, color="white", va="top", bbox=box, clip_on=True, parse_math=False)
    if objects:
        labels.append(f"objects: {', '.join(case.object_names) or 'none'}")
    axes.set_xlabel(textwrap.fill("\n".join(labels), 40), fontsize=6.5, color=GREY, parse_math=False)


def _draw_tokens(axes: Axes, case: PostCase, tokens: range, rows: Sequence[Column]) -> None:
    """Draw some tokens as columns: the rows' numbers, then a lane of entities for gold and each system."""
    start, end = tokens.start, tokens.stop
    for y, row in enumerate(rows):
        colours = _COLOURS["gamma" if row.name == "gamma" else "heat"]
        part = row.shares[None, start:end]
        axes.imshow(part, colours, vmin=0, vmax=1, extent=(start, end, y + 1, y), aspect="auto")
        for token in tokens:
            colour = colours(float(row.shares[token]))
            ink = "white" if np.dot(colour[:3], (0.299, 0.587, 0.114)) < 0.55 else "black"
            text = f"{row.values[token]:.4f}".removeprefix("0")
            axes.text(token + 0.5, y + 0.5, text, fontsize=5.5, color=ink, ha="center", va="center")
    one = len(case.predicted) == 1
    lanes = [("gold", case.spans(), None)] if case.post.tags else []
    gold = case.spans() if case.post.tags else None
    lanes += [("predicted" if one else name, case.spans(name), gold) for name in case.predicted]
    for y, (_, spans, right) in enumerate(lanes, start=len(rows)):
        for kind, first, last in sorted(spans, key=lambda span: span[1]):
            left, width = max(first, start), min(last, end) - max(first, start)
            if width <= 0:
                continue
            wrong, colour = right is not None and (kind, first, last) not in right, TYPE_COLOURS[type_number(kind)][0]
            face = "white" if wrong else colour
            axes.add_patch(
                Rectangle((left + 0.05, y + 0.1), width - 0.1, 0.8, facecolor=face, edgecolor=colour, lw=0.8)
            )
            style = {"fontsize": 5.5, "weight": "bold", "color": colour if wrong else "white", "parse_math": False}
            axes.text(left + width / 2, y + 0.5, f"× {kind}" if wrong else kind, ha="center", va="center", **style)
    if case.attention is not None and not case.object_names and end >= min(len(case.post), MOST_TOKENS):
        axes.set_xlabel("the model sees no object", fontsize=7, color=GREY)
    axes.set(xlim=(start, start + _PER_ROW), ylim=(max(1, len(rows) + len(lanes)), 0))
    if is_right_to_left(case.post.tokens):
        axes.invert_xaxis()
    texts = [_shown(case.post.tokens[token], _LONGEST) for token in tokens]
    axes.set_xticks([token + 0.5 for token in tokens], texts, rotation=90, fontsize=7.5, parse_math=False)
    names = [_shown(name, 18) for name in (*(row.name for row in rows), *(lane[0] for lane in lanes))]
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=7, color=GREY, parse_math=False)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)


def _shown(text: str, most: int) -> str:
    """A text of one line and at most so many characters."""
    text = " ".join("".join(c if c.isprintable() else " " * c.isspace() for c in text).split()) or "␣"
    return text if len(text) <= most else text[: most - 1] + "…"


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


class ModalityFeatures(NamedTuple):
    """Projected features of tokens (G_T) and objects (G_V).

    Args:
        features: the features, `[n, d]`.
        is_text: whether each is a token's, `[n]`.
        posts: the number of the post of each, `[n]`.
    """

    features: np.ndarray
    is_text: np.ndarray
    posts: np.ndarray


def sample_features(
    model: Tagger, posts: Sequence[Post], features: Any, count: int = 500, seed: int = 1
) -> ModalityFeatures:
    """Return the projected features of tokens and objects drawn at random, the same ones for every model.

    Args:
        model: AGBAN.
        posts: the posts.
        features: the store of their pictures' features.
        count: how many tokens and objects to draw; all of them if there are fewer.
        seed: random seed of the draw.

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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(cross_val_score(classifier, sample.features, sample.is_text, **how).mean())


def modality_space_figure(
    samples: Mapping[str, ModalityFeatures], perplexity: float = 60.0, iterations: int = 500, seed: int = 1
) -> Figure:
    """Draw words and objects as AGBAN's figure 5 does: one t-SNE map per model, side by side, on the same axes.

    Below each map is the `linear_separability`: near 50 % if adversarial training has mixed words and objects. Each map
    is computed alone; positions in one cannot be compared with positions in another.

    Args:
        samples: features by the model's name, from `sample_features`.
        perplexity: perplexity of t-SNE; at most a third of the points.
        iterations: iterations of t-SNE, more than 250: the first 250 only gather the points.
        seed: random seed of t-SNE.

    Reference:
        Zheng et al. 2020, section IV-D: 500 tokens, 500 objects, perplexity 60, 500 iterations.
    """
    from sklearn.manifold import TSNE

    figure = Figure(figsize=(7.2, 3.95), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(samples), sharex=True, sharey=True, squeeze=False)[0]
    far = 0.0
    for number, (axes, (name, sample)) in enumerate(zip(panels, samples.items(), strict=True)):
        near = min(perplexity, (len(sample.features) - 1) / 3)
        places = TSNE(perplexity=near, max_iter=iterations, init="pca", random_state=seed).fit_transform(
            sample.features
        )
        places -= (places.max(axis=0) + places.min(axis=0)) / 2
        far = max(far, float(np.abs(places).max()))
        # Orange and blue, as in the paper.
        for what, chosen, colour, marker in (
            ("tokens", sample.is_text, "#f28e2b", "o"),
            ("objects", ~sample.is_text, "#2f6db5", "^"),
        ):
            style = {"color": colour, "marker": marker, "s": 9, "linewidths": 0, "alpha": 0.75}
            axes.scatter(*places[chosen].T, label=f"{chosen.sum()} {what}", **style)
        axes.set_title(f"({chr(97 + number)}) {name}", fontsize=9, parse_math=False)
        accuracy = 100 * linear_separability(sample)
        axes.set_xlabel(f"linear classifier on held-out posts: {accuracy:.1f} % (chance 50 %)", fontsize=8)
        axes.set(xticks=[], yticks=[], aspect="equal")
        axes.legend(fontsize=7, loc="best", framealpha=0.9, markerscale=1.5)
    panels[0].set(xlim=(-1.06 * far, 1.06 * far), ylim=(-1.06 * far, 1.06 * far))
    return figure
