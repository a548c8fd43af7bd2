"""Entities of a tag sequence, read as strict IOB2: only `B-` opens an entity."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence

from mner_keras.errors import InputError


@dataclasses.dataclass(frozen=True)
class Entity:
    """A named entity in a post.

    Args:
        text: its tokens joined by spaces, or the part of the plain text that it covers.
        type: `PER`, `LOC`, ...
        start: the position of its first token.
        end: the position after its last token.
        score: the smallest marginal probability of its tags; `None` without a model.
        start_char: its start in the plain text, in characters; `None` for a post given as tokens.
        end_char: its end in the plain text, exclusive.
    """

    text: str
    type: str
    start: int
    end: int
    score: float | None = None
    start_char: int | None = None
    end_char: int | None = None


def entity_spans(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the entities of a tag sequence as (type, first token, token after the last), strict IOB2.

    An `I-` that follows no tag of its own type (an orphan) belongs to no entity.
    """
    spans = []
    start, kind = None, None
    for position, tag in enumerate([*tags, "O"]):
        if start is not None and tag != f"I-{kind}":
            spans.append((kind, start, position))
            start = None
        if tag.startswith("B-"):
            start, kind = position, tag[2:]
    return spans


def orphan_positions(tags: Sequence[str]) -> list[int]:
    """Return the positions of the `I-` tags that follow no tag of their own type."""
    previous = ("O", *tags)
    return [i for i, tag in enumerate(tags) if tag.startswith("I-") and previous[i][2:] != tag[2:]]


def check_iob2(tags: Iterable[Sequence[str]], path: str | os.PathLike | None = None) -> None:
    """Refuse tags in IOB1, where `I-` opens entities: read as strict IOB2 they contain almost no entities.

    Args:
        tags: the tags of each post.
        path: their file, for the error message.

    Raises:
        InputError: more entities open at an orphan I- than at a B-.
    """
    orphans = opened = 0
    for sequence in tags:
        orphans += len(orphan_positions(sequence))
        opened += sum(tag.startswith("B-") for tag in sequence)
    if orphans > opened:
        raise InputError(
            f"expected IOB2 tags, where B- opens each entity; found IOB1: {orphans:,} entities open at an I- and "
            f"{opened:,} at a B-. `mner data convert IN OUT --scheme iob1` converts them",
            path,
        )
