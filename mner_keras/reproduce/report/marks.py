"""A post's text in pieces, with the entities of a tag sequence marked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mner_keras.data.entities import entity_spans


@dataclasses.dataclass(frozen=True)
class Piece:
    """Some tokens in a row.

    Args:
        text: the tokens, joined by spaces.
        kind: the type of the entity that they are; `None` for none.
        agreed: whether the other tag sequence holds the same entity.
    """

    text: str
    kind: str | None = None
    agreed: bool = True


def cut_pieces(tokens: Sequence[str], tags: Sequence[str], others: Sequence[str]) -> list[Piece]:
    """Cut a post at the ends of its entities.

    Args:
        tokens: its tokens.
        tags: one a token: the entities to mark.
        others: other tags of the same post, to compare with.
    """
    known = set(entity_spans(others))
    pieces = []
    position = 0
    for kind, start, end in entity_spans(tags):
        if position < start:
            pieces.append(Piece(" ".join(tokens[position:start])))
        pieces.append(Piece(" ".join(tokens[start:end]), kind, (kind, start, end) in known))
        position = end
    if position < len(tokens):
        pieces.append(Piece(" ".join(tokens[position:])))
    return pieces
