"""`Confusion`: which entity types a model confuses, which entities it misses, and which it makes up."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mner_keras.data.entities import entity_spans

BOUNDS = "other bounds"
MISSED = "missed"
SPURIOUS = "spurious"


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Entities counted by their gold and their predicted type, strict IOB2.

    Each gold entity counts once in its type's row: under the type predicted for the same tokens, else under `BOUNDS` if
    a predicted entity contains some of its tokens, else under `MISSED`. Each predicted entity counts once in its type's
    column: by its gold type, `BOUNDS` or `SPURIOUS`. So a type's row adds up to its gold entities, and its column to
    its predicted ones.

    Args:
        types: the types of both, in alphabetical order.
        counts: by row and column; what is missing is 0.
    """

    types: tuple[str, ...]
    counts: Mapping[tuple[str, str], int]

    @property
    def rows(self) -> tuple[str, ...]:
        """Gold types, then the predicted entities without a gold one at the same tokens."""
        return (*self.types, BOUNDS, SPURIOUS)

    @property
    def columns(self) -> tuple[str, ...]:
        """Predicted types, then the gold entities without a predicted one at the same tokens."""
        return (*self.types, BOUNDS, MISSED)

    def count(self, row: str, column: str) -> int | None:
        """Return a count; `None` if neither side is a type."""
        return self.counts.get((row, column), 0) if row in self.types or column in self.types else None

    def gold(self, kind: str) -> int:
        """Return the number of gold entities of a type."""
        return sum(self.counts.get((kind, column), 0) for column in self.columns)

    def predicted(self, kind: str) -> int:
        """Return the number of predicted entities of a type."""
        return sum(self.counts.get((row, kind), 0) for row in self.rows)


def count_confusion(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Confusion:
    """Count the entities of posts.

    Args:
        pairs: the gold and the predicted tags of each post.
    """
    counts: Counter[tuple[str, str]] = Counter()
    types: set[str] = set()
    for tags, predicted in pairs:
        gold, found = entity_spans(tags), entity_spans(predicted)
        types.update(kind for kind, _, _ in (*gold, *found))
        gold_at = {(start, end): kind for kind, start, end in gold}
        found_at = {(start, end): kind for kind, start, end in found}
        for kind, start, end in gold:
            counts[kind, found_at.get((start, end)) or _apart(start, end, found_at, MISSED)] += 1
        for kind, start, end in found:
            if (start, end) not in gold_at:
                counts[_apart(start, end, gold_at, SPURIOUS), kind] += 1
    return Confusion(tuple(sorted(types)), dict(counts))


def _apart(start: int, end: int, others: Iterable[tuple[int, int]], alone: str) -> str:
    return BOUNDS if any(start < last and first < end for first, last in others) else alone
