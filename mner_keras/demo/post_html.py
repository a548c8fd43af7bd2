"""A tagged post as HTML: entities in colour, what the model attended to, gamma, the picture with regions or boxes."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from mner_keras.reproduce.figures.attention_map import attention_of
from mner_keras.reproduce.figures.cases import PostCase
from mner_keras.reproduce.figures.fonts import is_right_to_left
from mner_keras.reproduce.figures.page import GAMMA, HEAT, ink_on, type_colour
from mner_keras.reproduce.figures.picture_panel import BOX_COLOURS
from mner_keras.tagged_post import TaggedPost

STYLE = """
.mner-post { line-height: 1.3; font-size: 1.05rem; }
.mner-post .token { display: inline-block; margin: 2px 1px 6px; padding: 1px 4px; border-radius: 3px; color: #1a1a1a;
  text-align: center; vertical-align: top; overflow-wrap: anywhere; max-width: 100%; }
.mner-post .token bdi { color: inherit; }
.mner-post .entity { display: inline-block; border: 2px solid; border-radius: 5px; margin: 0 2px; padding: 0 2px; }
.mner-post .entity b { font-size: .72rem; padding: 0 4px; vertical-align: top; line-height: 1.8; }
.mner-post .gamma { display: block; font-size: .68rem; border-radius: 2px; padding: 0 3px; margin-top: 2px; }
.mner-picture { position: relative; display: inline-block; max-width: 340px; margin: .5rem 0 0; }
.mner-picture img { display: block; width: 340px; max-width: 100%; }
.mner-picture svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.mner-table { border-collapse: collapse; font-size: .85rem; margin: .5rem 0; display: block; overflow-x: auto; }
.mner-table th, .mner-table td { border: 1px solid #ccc; padding: 2px 6px; text-align: center; }
.mner-quiet { color: #666; font-size: .85rem; }
.mner-error { border-left: 4px solid #b00020; padding: .4rem .8rem; background: #fdecee; color: #5c0010; }
"""
_SHOWN = 680  # pixels of a picture's longer side


def post_html(case: PostCase, tagged: TaggedPost) -> str:
    """The post's words: entities with their scores, behind each word its attention, under it gamma.

    Args:
        case: the post and what the model attended to.
        tagged: its entities.
    """
    tokens = case.post.tokens
    heat = case.explanation.get("token_attention")
    gamma = case.explanation.get("gamma")
    pieces: list[str] = []
    position = 0
    for entity in (*tagged.entities, None):
        until = len(tokens) if entity is None else entity.start
        pieces += [_token(tokens[i], i, heat, gamma) for i in range(position, until)]
        if entity is None:
            break
        words = "".join(_token(tokens[i], i, heat, gamma) for i in range(entity.start, entity.end))
        colour = type_colour(entity.type)
        label = f"{escape(entity.type)} {100 * entity.score:.1f} %"
        pieces.append(
            f'<span class="entity" data-type="{escape(entity.type)}" style="border-color: {colour}">{words}'
            f'<b style="color: {colour}">{label}</b></span>'
        )
        position = entity.end
    names = ", ".join(f"{entity.text} ({entity.type})" for entity in tagged.entities) or "none"
    body = " ".join(pieces)
    label = f"names: {escape(names)}"
    return f'<div class="mner-post" dir="{_direction(tokens)}" role="group" aria-label="{label}">{body}</div>'


def explanation_html(case: PostCase) -> str:
    """What the model saw: the picture with its regions' attention or its objects' boxes, and the numbers."""
    parts = []
    explained = case.explanation
    if case.picture is not None:
        over = ""
        if "region_attention" in explained:
            over = _regions(explained["region_attention"])
        elif case.objects.boxes is not None:
            over = _boxes(case, len(attention_of(case).T) if "attention" in explained else len(case.objects.boxes))
        parts.append(f'<figure class="mner-picture">{_image(case.picture)}{over}</figure>')
        if "region_attention" in explained:
            weights = explained["region_attention"]
            parts.append(
                '<p class="mner-quiet">Over the picture: the text\'s attention to its regions, '
                f"{weights.min():.3f} (clear) to {weights.max():.3f} (orange), even {1 / len(weights):.3f}.</p>"
            )
    if "token_attention" in explained:
        weights = explained["token_attention"]
        parts.append(
            '<p class="mner-quiet">Behind each word: the picture\'s attention to it, '
            f"{weights.min():.3f} (white) to {weights.max():.3f} (orange), even {1 / len(weights):.3f}.</p>"
        )
    if "gamma" in explained:
        mean = float(explained["gamma"].mean())
        parts.append(
            '<p class="mner-quiet">Under each word: gamma, 1 where the text alone counts, 0 where its fusion with the '
            f'picture does. Mean: <b id="mner-gamma">{mean:.4f}</b>.</p>'
        )
    if "attention" in explained:
        parts.append(_attention_table(case))
    if not explained:
        parts.append('<p class="mner-quiet">This model has no attention to show.</p>')
    return "".join(parts)


def error_html(message: str) -> str:
    """A message for a person."""
    return f'<div class="mner-error" role="alert">{escape(message)}</div>'


def _direction(tokens: Sequence[str]) -> str:
    """Of the post: `dir="auto"` looks past the words, which are isolated from each other."""
    return "rtl" if is_right_to_left(tokens) else "ltr"


def _token(token: str, number: int, heat: np.ndarray | None, gamma: np.ndarray | None) -> str:
    style = ""
    if heat is not None:
        share = (heat[number] - heat.min()) / max(float(heat.max() - heat.min()), 1e-9)
        style = _colours(HEAT(float(share)))
    under = ""
    if gamma is not None:
        value = float(gamma[number].mean())
        under = f'<span class="gamma" style="{_colours(GAMMA(value))}">{value:.2f}</span>'
    return f'<span class="token" style="{style}"><bdi>{escape(token)}</bdi>{under}</span>'


def _colours(colour: tuple[float, ...]) -> str:
    red, green, blue = (round(255 * part) for part in colour[:3])
    return f"background: rgb({red} {green} {blue}); color: {ink_on(colour)}"


def _image(picture: Image.Image) -> str:
    shown = picture.convert("RGB")
    shown.thumbnail((_SHOWN, _SHOWN), Image.Resampling.BOX)
    stream = io.BytesIO()
    shown.save(stream, "PNG" if max(picture.size) <= 256 else "JPEG", quality=85)
    kind = "png" if max(picture.size) <= 256 else "jpeg"
    data = base64.b64encode(stream.getvalue()).decode()
    return f'<img alt="the post\'s picture" src="data:image/{kind};base64,{data}">'


def _regions(weights: np.ndarray) -> str:
    side = math.isqrt(len(weights))
    rows, columns = (side, side) if side * side == len(weights) else (1, len(weights))
    low, high = float(weights.min()), float(weights.max())
    cells = []
    for number, weight in enumerate(weights):
        row, column = divmod(number, columns)
        share = (float(weight) - low) / max(high - low, 1e-9)
        cells.append(
            f'<rect x="{column}" y="{row}" width="1" height="1" fill="#e8590c" fill-opacity="{0.75 * share:.3f}" '
            f'stroke="white" stroke-width="0.01"><title>{weight:.4f}</title></rect>'
        )
    return f'<svg viewBox="0 0 {columns} {rows}" preserveAspectRatio="none" aria-hidden="true">{"".join(cells)}</svg>'


def _boxes(case: PostCase, count: int) -> str:
    width, height = case.picture.size
    size = max(width, height) / 24
    parts = []
    for number, (top, left, bottom, right) in enumerate(case.objects.boxes[:count]):
        colour = BOX_COLOURS[number % len(BOX_COLOURS)]
        name = escape(case.objects.name(number))
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" fill="none" '
            f'stroke="{colour}" stroke-width="{size / 7:.2f}"/><text x="{left:.1f}" '
            f'y="{max(top - size / 4, size):.1f}" font-size="{size:.1f}" fill="{colour}" stroke="white" '
            f'stroke-width="{size / 5:.2f}" paint-order="stroke">{name}</text>'
        )
    return f'<svg viewBox="0 0 {width} {height}" aria-hidden="true">{"".join(parts)}</svg>'


def _attention_table(case: PostCase) -> str:
    scores = attention_of(case)
    if not scores.shape[1]:
        return '<p class="mner-quiet">The model sees no object.</p>'
    highest = max(float(scores.max()), 1e-9)
    head = "".join(f"<th><bdi>{escape(token)}</bdi></th>" for token in case.post.tokens)
    rows = []
    for number in range(scores.shape[1]):
        cells = "".join(
            f'<td style="{_colours(HEAT(float(value) / highest))}">{value:.2f}</td>' for value in scores[:, number]
        )
        colour = BOX_COLOURS[number % len(BOX_COLOURS)]
        rows.append(f'<tr><th style="color: {colour}">{escape(case.objects.name(number))}</th>{cells}</tr>')
    caption = '<p class="mner-quiet">Attention of each word to the objects:</p>'
    table = f'<table class="mner-table" dir="{_direction(case.post.tokens)}">'
    return f"{caption}{table}<tr><th></th>{head}</tr>{''.join(rows)}</table>"
