"""HSN's figures 5 and 6: what the text sees in the picture, what the picture sees in the text, and gamma."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from mner_keras.reproduce.figures.cases import PostCase
from mner_keras.reproduce.figures.fonts import drawable, families
from mner_keras.reproduce.figures.page import GAMMA, GREY, HEAT, WIDTH, Page
from mner_keras.reproduce.figures.picture_panel import SIDE, draw_regions
from mner_keras.reproduce.figures.token_flow import Spans, TokenFlow, Values

_MARGIN, _BETWEEN, _HEADER = 12.0, 16.0, 18.0


def hsn_attention_figure(cases: Sequence[PostCase]) -> Figure:
    """Draw posts as HSN's figures 5 and 6 do.

    Over the picture the attention of the text to its regions (s_img), region by region; behind the tokens the attention
    of the picture to them (s_sen); under them gamma (eq. 17; dark: the text counts, light: the fusion with the
    picture; the mean where there is one a feature); above them the gold entities, below the predicted ones, hollow and
    crossed where they are wrong. Attention is coloured from a post's smallest to its largest value: with the softmax
    of eq. 14 the two differ little, and the numbers beside the picture say how much.

    Args:
        cases: posts with HSN's explanation, as `make_cases` makes them.

    Returns:
        a matplotlib figure, 7.2 inches wide.
    """
    family = families(drawable(token) for case in cases for token in case.post.tokens)
    left = _MARGIN + SIDE + _BETWEEN
    flows = [_flow(case, WIDTH - left - _MARGIN, family) for case in cases]
    heights = [_HEADER + max(SIDE + 14, flow.height) for flow in flows]
    page = Page(_MARGIN + sum(heights) + _BETWEEN * len(cases) + 12, family)
    y = _MARGIN
    for number, (case, flow, height) in enumerate(zip(cases, flows, heights, strict=True)):
        page.text(_MARGIN, y + 5, f"({chr(97 + number % 26)}) {drawable(case.name)}", 8.5, weight="bold")
        draw_regions(page, case, _MARGIN, y + _HEADER)
        flow.draw(page, left, y + _HEADER)
        y += height + _BETWEEN
    page.scale(_MARGIN + 22, y, HEAT, "least", "most", "of a post's attention")
    if any("gamma" in case.explanation for case in cases):
        page.scale(left + 68, y, GAMMA, "fusion 0", "1 text", "gamma")
    if any(case.post.tags is not None for case in cases):
        page.text(WIDTH - _MARGIN, y, "hollow, ×: no gold entity", 6.5, GREY, ha="right")
    return page.figure


def _flow(case: PostCase, width: float, family: list[str]) -> TokenFlow:
    gold = case.post.tags
    below: list[Spans | Values] = []
    if "gamma" in case.explanation:
        below.append(Values("gamma", case.explanation["gamma"].mean(axis=-1)))
    below += [
        Spans(name if len(case.predicted) > 1 else "predicted", tags, gold) for name, tags in case.predicted.items()
    ]
    above = [] if gold is None else [Spans("gold", gold)]
    return TokenFlow(case.post.tokens, width, above, below, case.explanation["token_attention"], family)
