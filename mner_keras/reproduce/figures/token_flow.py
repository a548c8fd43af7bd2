"""`TokenFlow`: a post's tokens in lines, with what is said of each of them above and below."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from mner_keras.data.entities import entity_spans
from mner_keras.reproduce.figures.fonts import drawable, is_right_to_left, shortened, text_width
from mner_keras.reproduce.figures.page import GAMMA, GREY, HEAT, PALE, Page, ink_on, type_colour

SIZE = 8.5  # points, of the tokens
_SMALL = 6.0
_TOKEN, _SPAN, _VALUE, _GAP = 15.0, 10.0, 9.5, 9.0  # heights
_PADDING, _LEAST = 3.0, 20.0
MOST_TOKENS = 160
"""Tokens of a post that are drawn; a line says how many follow."""


@dataclasses.dataclass(frozen=True)
class Spans:
    """A lane with entities, by their tags.

    Args:
        label: what stands in front of it.
        tags: one BIO tag a token.
        gold: the right tags: what is not among them is drawn hollow, with a cross.
    """

    label: str
    tags: Sequence[str]
    gold: Sequence[str] | None = None
    height = _SPAN


@dataclasses.dataclass(frozen=True)
class Values:
    """A lane with a number between 0 and 1 for each token.

    Args:
        label: what stands in front of it.
        values: `[n]`.
    """

    label: str
    values: np.ndarray
    height = _VALUE


class TokenFlow:
    """A post's tokens laid out in lines of a width, from right to left where the post runs so.

    Args:
        tokens: the tokens.
        width: points for all, the lanes' labels included.
        above: lanes above the tokens.
        below: lanes below them.
        heat: the tokens' background, `[n]`, from its smallest (white) to its largest (orange).
        family: font families.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        width: float,
        above: Sequence[Spans | Values] = (),
        below: Sequence[Spans | Values] = (),
        heat: np.ndarray | None = None,
        family: Sequence[str] = ("DejaVu Sans",),
    ) -> None:
        self.above, self.below, self.heat, self.width = above, below, heat, width
        self.family = tuple(family)
        self.right_to_left = is_right_to_left(tokens)
        self.more = max(0, len(tokens) - MOST_TOKENS)
        labels = [shortened(lane.label, 90, _SMALL + 0.5) for lane in (*above, *below)]
        self._labels = labels
        self.indent = max((text_width(label, _SMALL + 0.5) for label in labels), default=0.0) + 8
        room = width - self.indent
        tokens = tokens[:MOST_TOKENS]
        self.texts = [shortened(drawable(token), room - 2 * _PADDING, SIZE, self.family) for token in tokens]
        self.widths = self._token_widths(tokens)
        self.lines = self._cut(room)

    @property
    def height(self) -> float:
        """Points from the first line's top to the last one's end."""
        return sum(self._line_height(line) for line in self.lines) - _GAP + (10 if self.more else 0)

    def draw(self, page: Page, x: float, y: float) -> None:
        """Draw the tokens with their top left corner at a point of a page."""
        for line in self.lines:
            places = self._places(line, x)
            top = y
            for number, lane in enumerate(self.above):
                top += self._draw_lane(page, lane, self._labels[number], line, places, x, top)
            for token, left in places.items():
                colour = self._heat_colour(token)
                page.box(left + 0.5, top, self.widths[token] - 1, _TOKEN, colour, "none" if self.heat is None else PALE)
                middle = left + self.widths[token] / 2
                page.text(middle, top + _TOKEN / 2, self.texts[token], SIZE, ink_on(colour), ha="center")
            top += _TOKEN + 1
            for number, lane in enumerate(self.below, start=len(self.above)):
                top += self._draw_lane(page, lane, self._labels[number], line, places, x, top)
            y += self._line_height(line)
        if self.more:
            page.text(x + self.indent, y - 2, f"and {self.more:,} more tokens", 7, GREY, style="italic")

    def _token_widths(self, tokens: Sequence[str]) -> list[float]:
        widths = [max(_LEAST, text_width(text, SIZE, self.family) + 2 * _PADDING) for text in self.texts]
        for lane in (*self.above, *self.below):
            if isinstance(lane, Spans):
                for kind, start, end in entity_spans(lane.tags[: len(tokens)]):
                    # Each line's piece of an entity has its type's name on it.
                    if end - start == 1:
                        widths[start] = max(widths[start], text_width(f"× {kind}", _SMALL, weight="bold") + 5)
        return widths

    def _cut(self, room: float) -> list[list[int]]:
        lines: list[list[int]] = [[]]
        used = 0.0
        for token, width in enumerate(self.widths):
            if lines[-1] and used + width > room:
                lines.append([])
                used = 0.0
            lines[-1].append(token)
            used += width
        return lines

    def _places(self, line: list[int], x: float) -> dict[int, float]:
        """The left end of each token of a line."""
        left = x + self.indent
        if self.right_to_left:
            left = x + self.width - self.indent - sum(self.widths[token] for token in line)
        places = {}
        for token in reversed(line) if self.right_to_left else line:
            places[token] = left
            left += self.widths[token]
        return places

    def _shown(self, lane: Spans | Values, line: list[int]) -> bool:
        """Whether a lane is drawn at a line: entities are not where neither gold nor prediction has one."""
        lanes = [one for one in (*self.above, *self.below) if isinstance(one, Spans)]
        spans = [span for one in lanes for span in entity_spans(one.tags)]
        return isinstance(lane, Values) or any(start < line[-1] + 1 and line[0] < end for _, start, end in spans)

    def _line_height(self, line: list[int]) -> float:
        lanes = [lane for lane in (*self.above, *self.below) if self._shown(lane, line)]
        return _TOKEN + 1 + sum(lane.height + 1 for lane in lanes) + _GAP

    def _heat_colour(self, token: int) -> tuple[float, ...]:
        if self.heat is None:
            return (1.0, 1.0, 1.0, 1.0)
        low, high = float(np.min(self.heat)), float(np.max(self.heat))
        return HEAT((float(self.heat[token]) - low) / max(high - low, 1e-9))

    def _draw_lane(
        self, page: Page, lane: Spans | Values, label: str, line: list[int], places: dict, x: float, top: float
    ) -> float:
        """Draw a lane at a line; returns its height."""
        if not self._shown(lane, line):
            return 0.0
        middle = top + lane.height / 2
        end, side = (x + self.width, "right") if self.right_to_left else (x, "left")
        page.text(end, middle, label, _SMALL + 0.5, GREY, ha=side)
        if isinstance(lane, Values):
            for token, left in places.items():
                value = float(lane.values[token])
                colour = GAMMA(value)
                width = self.widths[token]
                page.box(left + 0.5, top, width - 1, lane.height, colour, PALE)
                page.text(left + width / 2, middle, f"{value:.2f}", _SMALL, ink_on(colour), ha="center")
            return lane.height + 1
        right = None if lane.gold is None else set(entity_spans(lane.gold))
        for span in entity_spans(lane.tags):
            kind, start, end = span
            piece = [token for token in line if start <= token < end]
            if not piece:
                continue
            left = min(places[token] for token in piece)
            width = sum(self.widths[token] for token in piece)
            wrong = right is not None and span not in right
            colour = type_colour(kind)
            page.box(left + 1, top, width - 2, lane.height, "white" if wrong else colour, colour)
            text = shortened(f"× {kind}" if wrong else kind, width - 2, _SMALL)
            page.text(left + width / 2, middle, text, _SMALL, colour if wrong else "white", ha="center", weight="bold")
        return lane.height + 1
