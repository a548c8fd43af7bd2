"""AGBAN's figure 6: the attention of tokens to objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from mner_keras.data.entities import entity_spans
from mner_keras.reproduce.figures.cases import PostCase
from mner_keras.reproduce.figures.fonts import drawable, families, is_right_to_left, shortened, text_width
from mner_keras.reproduce.figures.page import GREY, HEAT, INK, PALE, WIDTH, Page, ink_on, type_colour
from mner_keras.reproduce.figures.picture_panel import BOX_COLOURS, SIDE, draw_boxes
from mner_keras.reproduce.figures.token_flow import MOST_TOKENS

_MARGIN, _BETWEEN, _HEADER = 12.0, 14.0, 18.0
_CELL, _BAR, _WORD = 18.0, 8.0, 84.0  # a cell's side, a lane of entities, the longest token
_SIZE = 7.5


def attention_map_figure(cases: Sequence[PostCase]) -> Figure:
    """Draw posts as AGBAN's figure 6 does: a map of tokens by objects, and the picture with the objects' boxes.

    Each cell is A of eq. 9, a token's attention to an object; for the released model, the mean over its glimpses. The
    bars above and below the map are the gold and the predicted entities. A long post's map goes on below.

    Args:
        cases: posts with AGBAN's explanation, as `make_cases` makes them.

    Returns:
        a matplotlib figure, 7.2 inches wide.
    """
    family = families(drawable(token) for case in cases for token in case.post.tokens)
    maps = [_Map(case, WIDTH - SIDE - _BETWEEN - 2 * _MARGIN, tuple(family)) for case in cases]
    heights = [_HEADER + max(SIDE, one.height) for one in maps]
    page = Page(_MARGIN + sum(heights) + _BETWEEN * len(cases) + 14, family)
    y = _MARGIN
    for number, (case, one, height) in enumerate(zip(cases, maps, heights, strict=True)):
        page.text(_MARGIN, y + 5, f"({chr(97 + number % 26)}) {drawable(case.name)}", 8.5, weight="bold")
        draw_boxes(page, case, one.objects, _MARGIN, y + _HEADER)
        one.draw(page, _MARGIN + SIDE + _BETWEEN, y + _HEADER)
        y += height + _BETWEEN
    highest = max((one.highest for one in maps), default=1.0)
    page.scale(_MARGIN + 12, y, HEAT, "0", f"{highest:.2f}", "attention of a token to an object")
    x = WIDTH - _MARGIN
    for kind in reversed(sorted({kind for one in maps for kind in one.kinds()})):
        x -= text_width(kind, 6.5) + 4
        page.text(x, y, kind, 6.5, GREY)
        x -= 10
        page.box(x, y - 3, 7, 6, type_colour(kind))
        x -= 8
    return page.figure


def attention_of(case: PostCase) -> np.ndarray:
    """A post's attention, tokens by objects, `[n, k]`; the mean over glimpses where there are some."""
    scores = case.explanation["attention"]
    return scores.mean(axis=0).T if scores.ndim == 3 else scores


class _Map:
    """One post's map, cut into rows of cells that fit a width."""

    def __init__(self, case: PostCase, width: float, family: tuple[str, ...]) -> None:
        self.case, self.family = case, family
        self.scores = attention_of(case)[:MOST_TOKENS]
        self.objects = self.scores.shape[1]
        self.highest = max(float(self.scores.max(initial=0.0)), 1e-9)
        self.names = [shortened(drawable(case.objects.name(k)), 70, _SIZE) for k in range(self.objects)]
        self.indent = max(text_width(name, _SIZE) for name in ("predicted", *self.names)) + 6
        texts = (drawable(token) for token in case.post.tokens[:MOST_TOKENS])
        self.texts = [shortened(text, _WORD, _SIZE, family) for text in texts]
        most = max(1, int((width - self.indent) // _CELL))
        count = -(-len(self.texts) // most)
        each = -(-len(self.texts) // count)
        self.rows = [range(i, min(i + each, len(self.texts))) for i in range(0, len(self.texts), each)]
        self.lanes = [("gold", case.post.tags)] if case.post.tags is not None else []
        self.predicted = list(case.predicted.items())

    def kinds(self) -> set[str]:
        """The types of the entities in it."""
        tags = [tags for _, tags in (*self.lanes, *self.predicted)]
        return {kind for one in tags for kind, _, _ in entity_spans(one)}

    @property
    def height(self) -> float:
        return sum(self._row_height(row) + 10 for row in self.rows) - 10

    def draw(self, page: Page, x: float, y: float) -> None:
        reverse = is_right_to_left(self.case.post.tokens)
        for row in self.rows:
            columns = {t: x + self.indent + _CELL * (len(row) - 1 - i if reverse else i) for i, t in enumerate(row)}
            top = y + self._word_height(row)
            for token, left in columns.items():
                page.text(left + _CELL / 2, top - 2, self.texts[token], _SIZE, rotation=90, ha="center", va="bottom")
            for label, tags in self.lanes:
                self._bars(page, label, tags, columns, x, top)
                top += _BAR
            for number, name in enumerate(self.names):
                self._cells(page, number, name, columns, x, top)
                top += _CELL
            if not self.names:
                page.text(x + self.indent, top + _CELL / 2, "the model sees no object", 7, GREY, style="italic")
                top += _CELL
            for label, tags in self.predicted:
                self._bars(page, "predicted" if len(self.predicted) == 1 else label, tags, columns, x, top + 1)
                top += _BAR
            y += self._row_height(row) + 10

    def _cells(self, page: Page, number: int, name: str, columns: dict[int, float], x: float, top: float) -> None:
        boxed = self.case.objects.boxes is not None and self.case.picture is not None
        colour = BOX_COLOURS[number % len(BOX_COLOURS)] if boxed else INK
        page.text(x + self.indent - 5, top + _CELL / 2, name, _SIZE, colour, ha="right")
        for token, left in columns.items():
            value = float(self.scores[token, number])
            colour = HEAT(value / self.highest)
            page.box(left, top, _CELL, _CELL, colour, PALE)
            text = f"{value:.2f}".lstrip("0") if value < 0.995 else "1"
            page.text(left + _CELL / 2, top + _CELL / 2, text, 5.5, ink_on(colour), ha="center")

    def _bars(self, page: Page, label: str, tags: Sequence[str], columns: dict[int, float], x: float, y: float) -> None:
        page.text(x + self.indent - 5, y + _BAR / 2 - 0.5, shortened(label, self.indent, 6.5), 6.5, GREY, ha="right")
        for kind, start, end in entity_spans(tags):
            for token in range(start, end):
                if token in columns:
                    page.box(columns[token] + (1 if token == start else 0), y + 1, _CELL - 1, 5, type_colour(kind))

    def _word_height(self, row: range) -> float:
        return max(text_width(self.texts[token], _SIZE, self.family) for token in row) + 4

    def _row_height(self, row: range) -> float:
        return self._word_height(row) + _CELL * max(1, self.objects) + _BAR * (len(self.lanes) + len(self.predicted))
