"""AGBAN's figures 8 and 9: posts on which systems differ."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from mner_keras.reproduce.figures.attention_map import attention_of
from mner_keras.reproduce.figures.cases import PostCase
from mner_keras.reproduce.figures.fonts import drawable, families, shortened
from mner_keras.reproduce.figures.page import GREY, WIDTH, Page
from mner_keras.reproduce.figures.picture_panel import draw_boxes, object_line
from mner_keras.reproduce.figures.token_flow import Spans, TokenFlow

_MARGIN, _BETWEEN, _HEADER, _SIDE = 12.0, 16.0, 18.0, 100.0


def case_study_figure(cases: Sequence[PostCase]) -> Figure:
    """Draw posts as AGBAN's figures 8 and 9 do: the picture, the gold entities, the objects, each system's entities.

    An entity that is not among the gold ones is hollow and crossed.

    Args:
        cases: posts with the tags of the systems to compare.

    Returns:
        a matplotlib figure, 7.2 inches wide.
    """
    family = families(drawable(token) for case in cases for token in case.post.tokens)
    left = _MARGIN + _SIDE + _BETWEEN
    width = WIDTH - left - _MARGIN
    flows = []
    for case in cases:
        gold = case.post.tags
        below = [Spans(name, tags, gold) for name, tags in case.predicted.items()]
        above = [] if gold is None else [Spans("gold", gold)]
        flows.append(TokenFlow(case.post.tokens, width, above, below, family=family))
    heights = [_HEADER + max(_SIDE, flow.height + 14) for flow in flows]
    page = Page(_MARGIN + sum(heights) + _BETWEEN * len(cases) + 8, family)
    y = _MARGIN
    for number, (case, flow, height) in enumerate(zip(cases, flows, heights, strict=True)):
        page.text(_MARGIN, y + 5, f"({chr(97 + number % 26)}) {drawable(case.name)}", 8.5, weight="bold")
        count = attention_of(case).shape[1] if "attention" in case.explanation else len(case.objects.names)
        draw_boxes(page, case, count, _MARGIN, y + _HEADER, _SIDE)
        flow.draw(page, left, y + _HEADER)
        page.text(left, y + _HEADER + flow.height + 9, shortened(object_line(case, count), width, 7), 7, GREY)
        y += height + _BETWEEN
    page.text(WIDTH - _MARGIN, y - 4, "hollow, ×: no gold entity", 6.5, GREY, ha="right")
    return page.figure
