"""`Constraints`: the allowed transitions between tags."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="mner_keras")
@dataclasses.dataclass(frozen=True)
class Constraints:
    """The allowed transitions between K tags on the paths of a CRF.

    Args:
        transitions: bool `[K, K]`, whether the second tag may follow the first.
        start: bool `[K]`, whether a path may start with the tag; by default any.
        end: bool `[K]`, whether a path may end with the tag; by default any.

    Example:

    >>> Constraints([[True, False], [True, True]], start=[True, False]).num_tags
    2
    """

    transitions: tuple[tuple[bool, ...], ...]
    start: tuple[bool, ...] | None = None
    end: tuple[bool, ...] | None = None

    def __post_init__(self) -> None:
        transitions = np.asarray(self.transitions)
        if transitions.ndim != 2 or transitions.shape[0] != transitions.shape[1] or not len(transitions):
            raise ValueError(f"`transitions` must have the shape [K, K]. Received: shape {transitions.shape}")
        object.__setattr__(self, "transitions", tuple(tuple(map(bool, row)) for row in transitions))
        for name in ("start", "end"):
            allowed = np.asarray([True] * self.num_tags if getattr(self, name) is None else getattr(self, name))
            if allowed.shape != (self.num_tags,):
                raise ValueError(f"`{name}` must have the shape [{self.num_tags}]. Received: shape {allowed.shape}")
            object.__setattr__(self, name, tuple(map(bool, allowed)))

    @property
    def num_tags(self) -> int:
        """Return the number of tags, K."""
        return len(self.transitions)

    def get_config(self) -> dict:
        transitions = [list(row) for row in self.transitions]
        return {"transitions": transitions, "start": list(self.start), "end": list(self.end)}

    @classmethod
    def from_config(cls, config: dict) -> Constraints:
        return cls(**config)


def bio_constraints(tags: Sequence[str]) -> Constraints:
    """Return the constraints of the scheme BIO (IOB2): `I-X` only after `B-X` or `I-X`, never at the start.

    Args:
        tags: the tags in the order of their indices, each `O`, `B-X` or `I-X`.

    Raises:
        ValueError: a tag of another form.
    """
    pairs = _split(tags, "BI")
    return Constraints(
        transitions=[[to != "I" or (kind == other and at in "BI") for to, other in pairs] for at, kind in pairs],
        start=[to != "I" for to, _ in pairs],
    )


def bioes_constraints(tags: Sequence[str]) -> Constraints:
    """Return the constraints of the scheme BIOES: an entity is `S-X`, or `B-X`, any number of `I-X`, `E-X`.

    Args and errors are those of `bio_constraints`.
    """
    pairs = _split(tags, "BIES")
    return Constraints(
        # Inside an entity: its continuation. Outside: `O` or the start of an entity.
        transitions=[
            [(to in "IE" and kind == other) if at in "BI" else to in "OBS" for to, other in pairs] for at, kind in pairs
        ],
        start=[to in "OBS" for to, _ in pairs],
        end=[at in "OES" for at, _ in pairs],
    )


def _split(tags: Sequence[str], prefixes: str) -> list[tuple[str, str]]:
    pairs = []
    for tag in tags:
        prefix, dash, kind = tag.partition("-")
        if tag != "O" and not (len(prefix) == 1 and prefix in prefixes and dash and kind):
            forms = ", ".join(f"'{letter}-X'" for letter in prefixes)
            raise ValueError(f"`tags` must be 'O' or of the form {forms}. Received: {tag!r}")
        pairs.append((prefix, kind))
    return pairs
