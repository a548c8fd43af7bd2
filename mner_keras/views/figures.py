"""Posts as the papers draw them, in plain matplotlib: picture, attention, entities."""

import os
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from mner_keras.files import write_whole
from mner_keras.views.case import MOST_TOKENS, PostCase, is_right_to_left, shares
from mner_keras.views.charts import style
from mner_keras.views.palette import COLOURS, OBJECT_COLOURS, TYPE_COLOURS, type_number

ENDINGS = (".png", ".svg", ".pdf")
_HEAT = LinearSegmentedColormap.from_list("heat", ["#ffffff", "#fdc58a", "#e8590c"])
_COLOURS = {"gamma": LinearSegmentedColormap.from_list("gamma", ["#ffffff", "#8fb5dd", "#16427a"])}  # others: _HEAT
_GREY = COLOURS["quiet"][0]
_PER_ROW = (8, 16)  # the least and the most tokens in a row of the map
_LONGEST = 14  # characters of a token that are shown
_DOTS = 150  # per inch, of a PNG
_DATES = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def hsn_attention_figure(cases: Sequence[PostCase]) -> Figure:
    """Draw posts with HSN's explanation (from `make_cases`) as HSN's figures 5 and 6 do.

    Over the picture: the attention of the text to its regions (s_img). In the map: the attention of the picture to the
    tokens (s_sen), gamma (eq. 17; the mean over features), and the gold and predicted entities. Attention is coloured
    from a post's smallest to its largest value, and its values are printed.
    """
    return _figure(cases, {"attention": ("smallest in the post", "largest"), "gamma": ("0: fusion", "1: text")})


def attention_map_figure(cases: Sequence[PostCase]) -> Figure:
    """Draw posts with AGBAN's explanation as its figure 6 does: a map of objects by tokens, the picture, its boxes.

    Each cell is A of eq. 9, a token's attention to an object (for the released model, the mean over its glimpses),
    coloured from 0 to the post's largest weight.
    """
    return _figure(cases, {"attention": ("0", "largest in the post")})


def case_study_figure(cases: Sequence[PostCase]) -> Figure:
    """Draw posts as AGBAN's figures 8 and 9 do: the picture and its objects, the gold and each system's entities."""
    return _figure(cases, {})


def write_figure(figure: Figure, path: str | os.PathLike) -> list[str]:
    """Write a figure as PNG, SVG or PDF, by the file's ending; the same figure gives the same bytes.

    Return notes for the user: characters that no installed font has.
    """
    ending = Path(path).suffix.lower()
    options = {"format": ending[1:], "dpi": _DOTS, "metadata": _DATES.get(ending, {})}
    fixed = matplotlib.rc_context({"svg.hashsalt": "mner"})
    with warnings.catch_warnings(record=True, action="always") as caught, fixed:
        write_whole(Path(path), lambda place: figure.savefig(place, **options))
    missing = {str(item.message) for item in caught if "missing from font" in str(item.message)}
    return [f"{len(missing)} characters are in no installed font: boxes replace them"] if missing else []


def _figure(cases: Sequence[PostCase], scales: dict[str, tuple[str, str]]) -> Figure:
    """Draw posts above each other, and a legend: the scales with the names of their ends, and the entities' marks."""
    with matplotlib.rc_context(style()):
        across = int(np.clip(max(len(case.post) for case in cases), *_PER_ROW))
        parts, heights = [], []
        for case in cases:
            tokens = min(len(case.post), MOST_TOKENS)
            parts.append([range(start, min(start + across, tokens)) for start in range(0, tokens, across)])
            rows = len(case.columns if scales else ()) + bool(case.post.tags) + len(case.predicted)
            heights.append(0.4 + max(1.9, len(parts[-1]) * (0.75 + 0.2 * rows)))
        figure = Figure(figsize=(7.2, sum(heights) + 0.5), dpi=_DOTS, layout="constrained", facecolor="white")
        *panels, legend = figure.subfigures(len(cases) + 1, 1, height_ratios=[*heights, 0.5], squeeze=False)[:, 0]
        for number, (panel, case) in enumerate(zip(panels, cases, strict=True)):
            title = f"({chr(97 + number % 26)}) {_shown(' '.join(case.post.tokens), 90)}"
            panel.suptitle(title, x=0.01, ha="left", fontsize=8.5, weight="bold", color="black", parse_math=False)
            grid = panel.add_gridspec(len(parts[number]), 2, width_ratios=(1, 2.6))
            _draw_picture(panel.add_subplot(grid[:, 0]), case, with_map=bool(scales))
            for place, tokens in enumerate(parts[number]):
                _draw_tokens(panel.add_subplot(grid[place, 1]), case, tokens, with_map=bool(scales), across=across)
        grid = legend.add_gridspec(1, 3)
        for place, (name, ends) in enumerate(scales.items()):
            axes = legend.add_subplot(grid[place])
            axes.imshow(np.linspace(0, 1, 64)[None], _COLOURS.get(name, _HEAT), extent=(0, 1, 0, 1), aspect=0.05)
            axes.set(yticks=[], title=name, xlim=(-0.3, 1.3))
            axes.set_xticks([0, 1], ends)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
        if any(case.post.tags for case in cases):
            axes = legend.add_subplot(grid[len(scales)])
            axes.set_axis_off()
            marks = Patch(fc=_GREY, ec=_GREY), Patch(fc="white", ec=_GREY)
            axes.legend(marks, ("entity", "×: not a gold entity"), loc="center", ncols=2, handlelength=1.2)
    return figure


def _draw_picture(axes: Axes, case: PostCase, with_map: bool) -> None:
    """Draw the picture with the attention to its regions or the boxes of its objects, or why there is none."""
    axes.set(xticks=[], yticks=[], anchor="N")
    width, height = (1, 1) if case.picture is None else case.picture.size
    frame = (0, width, height, 0)
    if case.picture is None:
        axes.set(xlim=(0, 1), ylim=(1, 0), aspect="equal")
        why = textwrap.fill(case.why_none, 24)
        axes.text(0.5, 0.5, why, ha="center", va="center", fontsize=7, color=_GREY, zorder=4)
    else:
        small = case.picture.convert("RGB")
        small.thumbnail((640, 640))
        axes.imshow(np.asarray(small), extent=frame)
    labels, grid = [], case.regions
    if grid is not None:
        share = shares(grid)
        # At most half opaque, so that the picture shows.
        axes.imshow(share, _HEAT, alpha=0.5 * share, extent=frame, interpolation="nearest", zorder=2)
        lines = {"colors": "white", "linewidths": 0.6, "alpha": 0.8, "zorder": 3}
        axes.hlines(np.linspace(0, height, grid.shape[0] + 1), 0, width, **lines)
        axes.vlines(np.linspace(0, width, grid.shape[1] + 1), 0, height, **lines)
        labels.append(f"regions {grid.min():.4f} to {grid.max():.4f}")
        labels.append(f"even share {1 / grid.size:.4f}; of words {1 / len(case.post):.4f}")
    elif case.picture is not None and case.objects.boxes is None and case.why_none:
        labels.append(case.why_none)
    for number, (left, top, wide, high) in enumerate(case.boxes if grid is None else ()):
        colour = OBJECT_COLOURS[number % len(OBJECT_COLOURS)][0]
        axes.add_patch(Rectangle((left, top), wide, high, fill=False, edgecolor=colour, lw=1.3))
        look = {"fontsize": 6, "color": "white", "bbox": {"facecolor": colour, "edgecolor": "none", "pad": 1}}
        name = _shown(case.objects.name(number), 20)
        axes.text(left, top, name, va="top", clip_on=True, parse_math=False, **look)
    if not with_map:
        labels.append(f"objects: {', '.join(case.object_names) or 'none'}")
    elif case.attention is not None and case.attention.size:
        labels.append(f"even share {1 / case.attention.size:.4f}")
    axes.set_xlabel("\n".join(textwrap.fill(label, 40) for label in labels), fontsize=6.5, parse_math=False)
    axes.spines[:].set_visible(True)


def _draw_tokens(axes: Axes, case: PostCase, tokens: range, with_map: bool, across: int) -> None:
    """Draw tokens as columns, with space for so many: their numbers, then the entities of gold and each system."""
    start, end, names = tokens.start, tokens.stop, []
    centred = {"fontsize": 5.5, "ha": "center", "va": "center", "parse_math": False}
    for y, row in enumerate(case.columns if with_map else ()):
        names.append(row.name)
        colours, part = _COLOURS.get(row.name, _HEAT), row.shares[None, start:end]
        axes.imshow(part, colours, vmin=0, vmax=1, extent=(start, end, y + 1, y), aspect="auto")
        for token in tokens:
            luminance = np.dot(colours(float(row.shares[token]))[:3], (0.299, 0.587, 0.114))
            text = f"{row.values[token]:.4f}".removeprefix("0")
            axes.text(token + 0.5, y + 0.5, text, color="white" if luminance < 0.55 else "black", **centred)
    gold = case.spans() if case.post.tags else None
    lanes = {} if gold is None else {"gold": gold}
    lanes |= {"predicted" if len(case.predicted) == 1 else name: case.spans(name) for name in case.predicted}
    for y, (name, spans) in enumerate(lanes.items(), start=len(names)):
        names.append(name)
        for span in sorted(spans):
            kind, first, last = span
            left, width = max(first, start), min(last, end) - max(first, start)
            if width > 0:
                wrong, colour = gold is not None and span not in gold, TYPE_COLOURS[type_number(kind)][0]
                fill, ink = ("white", colour) if wrong else (colour, "white")
                box = Rectangle((left + 0.05, y + 0.1), width - 0.1, 0.8, facecolor=fill, edgecolor=colour, lw=0.8)
                axes.add_patch(box)
                text = f"× {kind}" if wrong else kind
                axes.text(left + width / 2, y + 0.5, text, color=ink, weight="bold", **centred)
    if end == min(len(case.post), MOST_TOKENS):
        more = len(case.post) - end
        unseen = case.attention is not None and not case.object_names
        axes.set_xlabel(f"and {more:,} more tokens" if more else "the model sees no object" if unseen else "")
    axes.set(xlim=(start, start + across), ylim=(max(1, len(names)), 0))
    if is_right_to_left(case.post.tokens):
        axes.invert_xaxis()
    texts, places = [_shown(case.post.tokens[token], _LONGEST) for token in tokens], np.arange(start, end) + 0.5
    axes.set_xticks(places, texts, rotation=90, fontsize=7.5, color="black", parse_math=False)
    axes.set_yticks(np.arange(len(names)) + 0.5, [_shown(name, 18) for name in names], parse_math=False)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)


def _shown(text: str, most: int) -> str:
    """A text of one line and at most so many characters."""
    text = " ".join("".join(c if c.isprintable() else " " * c.isspace() for c in text).split()) or "␣"
    return text if len(text) <= most else text[: most - 1] + "…"
