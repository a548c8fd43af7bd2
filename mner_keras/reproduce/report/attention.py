"""What a model attended to in a post, as a page draws it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from mner_keras.reproduce.figures.attention_map import attention_of
from mner_keras.reproduce.figures.cases import PostCase
from mner_keras.reproduce.report.pictures import PictureShelf, ShelvedPicture

MOST_TOKENS = 160
"""Tokens of a post that are drawn; a line says how many follow."""


@dataclasses.dataclass(frozen=True)
class Weight:
    """A number and how strongly it is coloured.

    Args:
        value: the number.
        share: 0 for the least of its kind to 1 for the most.
    """

    value: float
    share: float


@dataclasses.dataclass(frozen=True)
class Cell:
    """A region of the picture, or an object in it.

    Args:
        name: what to call it.
        box: left, top, width, height in the picture's pixels; `None` where that is not known.
        weight: a region's attention; `None` for an object, to which each token attends in its own way.
    """

    name: str
    box: tuple[float, float, float, float] | None
    weight: Weight | None = None


@dataclasses.dataclass(frozen=True)
class Token:
    """A token with its numbers.

    Args:
        text: the token.
        attention: how much the picture attends to it.
        gamma: 1 where the text alone counts, 0 where its fusion with the picture does.
        objects: how much it attends to each object.
    """

    text: str
    attention: Weight | None = None
    gamma: Weight | None = None
    objects: tuple[Weight, ...] = ()


@dataclasses.dataclass(frozen=True)
class Attention:
    """An attention figure.

    Args:
        tokens: the post's tokens.
        more: how many tokens are left out.
        cells: regions, or objects.
        grid: rows and columns of the regions; `None` for objects.
        picture: the post's picture, where it is at hand.
        why_none: why there is no picture.
    """

    tokens: tuple[Token, ...]
    more: int
    cells: tuple[Cell, ...]
    grid: tuple[int, int] | None
    picture: ShelvedPicture | None
    why_none: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the drawing: the picture's, or a square."""
        return (300, 300) if self.picture is None else (self.picture.width, self.picture.height)


def make_attention(case: PostCase, shelf: PictureShelf) -> Attention | None:
    """The attention figure of a post; `None` where the model attends to nothing that can be drawn.

    Args:
        case: the post and what `Tagger.explain` says of it.
        shelf: takes its picture.
    """
    found = case.explanation
    if "region_attention" not in found and "attention" not in found:
        return None
    picture, why = None, "This post has no picture."
    if case.picture is not None:
        picture = shelf.add(case.post.image_id, case.picture)
    elif case.post.image_id is not None:
        why = f"The picture {case.post.image_id} is not at hand."
    elif "region_attention" in found:
        why = "This post has no picture: the model sees a blank one."
    shown = case.post.tokens[:MOST_TOKENS]
    width, height = (300, 300) if picture is None else (picture.width, picture.height)
    grid = None
    if "region_attention" in found:
        weights = _weights(found["region_attention"])
        side = math.isqrt(len(weights))
        # Where the regions make no square, they are a row of cells.
        grid = (side, side) if side * side == len(weights) else (1, len(weights))
        cells = tuple(_region(number, grid, weight, (width, height)) for number, weight in enumerate(weights))
        tokens = _tokens(shown, found)
    else:
        scores = attention_of(case)
        cells = tuple(_object(case, number) for number in range(scores.shape[1]))
        highest = max(float(scores.max(initial=0.0)), 1e-9)
        rows = [tuple(Weight(float(v), float(v) / highest) for v in row) for row in scores]
        tokens = tuple(Token(text, objects=row) for text, row in zip(shown, rows, strict=False))
    return Attention(tokens, max(0, len(case.post) - MOST_TOKENS), cells, grid, picture, why)


def _weights(values: np.ndarray) -> list[Weight]:
    """From the smallest (0) to the largest (1)."""
    low, high = float(values.min()), float(values.max())
    return [Weight(float(value), (float(value) - low) / max(high - low, 1e-9)) for value in values]


def _tokens(texts: tuple[str, ...], found: dict[str, np.ndarray]) -> tuple[Token, ...]:
    attention = _weights(found["token_attention"]) if "token_attention" in found else [None] * len(texts)
    gamma: list[Weight | None] = [None] * len(texts)
    if "gamma" in found:
        # One for each token, or one for each of its features.
        gamma = [Weight(float(value), float(value)) for value in found["gamma"].mean(axis=-1)]
    return tuple(Token(text, a, g) for text, a, g in zip(texts, attention, gamma, strict=False))


def _region(number: int, grid: tuple[int, int], weight: Weight, size: tuple[int, int]) -> Cell:
    row, column = divmod(number, grid[1])
    across, down = size[0] / grid[1], size[1] / grid[0]
    name = f"region {number + 1}: row {row + 1}, column {column + 1}"
    return Cell(name, (column * across, row * down, across, down), weight)


def _object(case: PostCase, number: int) -> Cell:
    boxes, scores = case.objects.boxes, case.objects.scores
    name = case.objects.name(number)
    if scores is not None and number < len(scores):
        name = f"{name} {scores[number]:.2f}"
    box = None
    if boxes is not None and number < len(boxes):
        top, left, bottom, right = (float(value) for value in boxes[number])
        box = (left, top, right - left, bottom - top)
    return Cell(name, box)
