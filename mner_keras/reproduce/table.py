"""`PublishedTable`: a table as a paper prints it, and what is known of each of its numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from mner_keras.errors import InputError, did_you_mean

#: Where a number comes from: the paper's authors computed it, they took it over from an earlier publication and say so,
#: or they do not say.
SOURCES = ("computed", "published-elsewhere", "unstated")
KINDS = ("statistics", "settings", "results")
METRICS = ("precision", "recall", "f1")
#: What a misprint breaks: the sum of its row, the number of posts, F1 as the harmonic mean of precision and recall, or
#: the overall F1 that F1 by type allows.
CHECKS = ("sum", "posts", "f1", "types")


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        key: what the rows' values are filed under.
        name: the heading as printed, with that of its group.
        entity_type: `"PER"`, `"LOC"`, `"ORG"`, `"MISC"` or `"overall"`; `None` where rows are types, or nothing is.
        metric: `"precision"`, `"recall"` or `"f1"`; `None` for what is no score.
        model: the registry's name of the system, where columns are systems.
        source: where the column's numbers come from, if not where the row's do.
    """

    key: str
    name: str
    entity_type: str | None = None
    metric: str | None = None
    model: str | None = None
    source: str | None = None


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        key: its name in this package, unique in the table.
        name: its name as printed, without reference numbers and signs.
        values: numbers as printed, by the column's key.
        part: the part of the table that it stands in.
        model: the registry's name of the system, where rows are systems; a name that ends in `-like` stands for a
            program that ours only resembles.
        arguments: arguments of the model that make it this row's.
        vectors: the word vectors, `"twitter"` or `"crawl"`, where the paper tells.
        entity_type: as a column's, where rows are types.
        setting: what the number sets: `"model."` and an argument of the model's class, `"training."` and a field of
            `mner_keras.registry.Training`, or `"num_tags"`.
        source: where the row's numbers come from, if not where the table's do.
        sources: the same for single numbers, by the column's key.
        significant: whether the paper marks the row's F1 as significantly better than its baseline's.
        note: what a reader should know.
    """

    key: str
    name: str
    values: Mapping[str, float]
    part: str = ""
    model: str | None = None
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    vectors: str | None = None
    entity_type: str | None = None
    setting: str | None = None
    source: str | None = None
    sources: Mapping[str, str] = dataclasses.field(default_factory=dict)
    significant: bool = False
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Misprint:
    """Printed numbers that cannot be right.

    Args:
        row: the key of their row.
        columns: the keys of their columns; several where it cannot be told which of them is wrong.
        check: what shows it, one of `CHECKS`.
        note: why they cannot be right.
        likely: what was probably meant, where that is known.
    """

    row: str
    columns: tuple[str, ...]
    check: str
    note: str
    likely: float | None = None


@dataclasses.dataclass(frozen=True)
class Reference:
    """The system that the others of a table are compared with.

    Args:
        system: its key.
        role: `"baseline"`, which the others should be better than, or `"best"`, which should be better than the others.
    """

    system: str
    role: str


@dataclasses.dataclass(frozen=True)
class PublishedNumber:
    """One number with all that is known of it.

    Args:
        paper: `"hsn"` or `"agban"`.
        table: the table's number as printed.
        row: the row's key.
        column: the column's key.
        value: the number as printed.
        unit: `"percent"`, `"count"` or `"setting"`.
        source: `"computed"` by the paper's authors, `"published-elsewhere"` where the paper says that it took the
            number over, or `"unstated"`.
        model: the registry's name of the system that it belongs to.
        entity_type: `"PER"`, `"LOC"`, `"ORG"`, `"MISC"` or `"overall"`.
        metric: `"precision"`, `"recall"` or `"f1"`.
        significant: whether the paper marks it as significantly better than its baseline.
        misprint: why it cannot be right, if so.
    """

    paper: str
    table: str
    row: str
    column: str
    value: float
    unit: str
    source: str
    model: str | None = None
    entity_type: str | None = None
    metric: str | None = None
    significant: bool = False
    misprint: Misprint | None = None

    def __str__(self) -> str:
        """As printed: percentages have two decimals."""
        return f"{self.value:.2f}" if self.unit == "percent" else f"{self.value:g}"


@dataclasses.dataclass(frozen=True)
class PublishedTable:
    """A table of a paper.

    Args:
        paper: `"hsn"` or `"agban"`.
        number: as printed: `"1"` to `"5"`, `"I"` to `"VI"`.
        title: what it shows.
        kind: `"statistics"` of the data, `"settings"`, or `"results"`.
        unit: `"percent"`, `"count"` or `"setting"`.
        source: where its numbers come from, unless a column, a row or a number says otherwise.
        columns: from left to right.
        rows: from top to bottom.
        misprints: the numbers that cannot be right.
        data: `"twitter2015"` or `"real-world"`, where results or counts are of one data set.
        reference: the system that the others are compared with, in a table of results.
        note: what a reader should know.
    """

    paper: str
    number: str
    title: str
    kind: str
    unit: str
    source: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    misprints: tuple[Misprint, ...] = ()
    data: str | None = None
    reference: Reference | None = None
    note: str = ""

    def find_row(self, key: str) -> Row:
        """The row of a key.

        Raises:
            InputError: no such row; the nearest known one is suggested.
        """
        return _find(key, self.rows, f"a row of {self.paper}'s table {self.number}")

    def find_column(self, key: str) -> Column:
        """The column of a key.

        Raises:
            InputError: no such column; the nearest known one is suggested.
        """
        return _find(key, self.columns, f"a column of {self.paper}'s table {self.number}")

    def find_number(self, row: str, column: str) -> PublishedNumber:
        """The number in a row and column, by their keys.

        Raises:
            InputError: no such row or column.
        """
        return self._number(self.find_row(row), self.find_column(column))

    def numbers(self) -> Iterator[PublishedNumber]:
        """All numbers, row by row."""
        for row in self.rows:
            for column in self.columns:
                yield self._number(row, column)

    def _number(self, row: Row, column: Column) -> PublishedNumber:
        misprint = next((m for m in self.misprints if m.row == row.key and column.key in m.columns), None)
        return PublishedNumber(
            paper=self.paper,
            table=self.number,
            row=row.key,
            column=column.key,
            value=row.values[column.key],
            unit=self.unit,
            source=row.sources.get(column.key) or row.source or column.source or self.source,
            model=row.model or column.model,
            entity_type=row.entity_type or column.entity_type,
            metric=column.metric,
            significant=row.significant and column.metric == "f1",
            misprint=misprint,
        )


def _find(key: str, entries: tuple, what: str) -> Any:
    """The row or column of a key."""
    for entry in entries:
        if entry.key == key:
            return entry
    known = [entry.key for entry in entries]
    raise InputError(f"expected {what} ({', '.join(known)}), found {key!r}.{did_you_mean(key, known)}")
