"""`MeasuredTable`: a table with what is published and what is measured."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mner_keras.papers.published import PublishedNumber, PublishedTable, TableRow
from mner_keras.papers.statistics import Comparison


@dataclasses.dataclass(frozen=True)
class Cell:
    """One number of a table.

    Args:
        published: what the paper prints; `None` where it prints nothing.
        values: the measured values: one per seed, one count or one setting; empty where nothing was measured.
        comparable: whether the difference of both has a meaning.
    """

    published: PublishedNumber | None = None
    values: tuple[float, ...] = ()
    comparable: bool = True

    @property
    def mean(self) -> float | None:
        """The mean of the values."""
        return statistics.fmean(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Their sample standard deviation; `None` for fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def difference(self) -> float | None:
        """Measured minus published; `None` where one of them is missing or they are not comparable."""
        if self.published is None or self.mean is None or not self.comparable:
            return None
        return self.mean - self.published.value

    def agrees(self, tolerance: float | None) -> bool | None:
        """Whether the difference is within a tolerance; `None` where that is unknown."""
        if tolerance is None or self.difference is None:
            return None
        return abs(self.difference) <= tolerance or math.isclose(abs(self.difference), tolerance)


@dataclasses.dataclass(frozen=True)
class MeasuredRow:
    """A row of a table.

    Args:
        row: the published row.
        cells: one per column.
        seeds: seeds with a finished run.
        runs: the folders of the finished runs.
        comparison: with the table's reference, in F1 over all entities; `None` for the reference, or without runs.
        failures: why runs did not finish.
    """

    row: TableRow
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...] = ()
    runs: tuple[Path, ...] = ()
    comparison: Comparison | None = None
    failures: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class MeasuredTable:
    """A table of a paper, published and measured.

    Args:
        table: the published table.
        columns: the columns' headings.
        rows: the rows.
        measured: what the measured numbers are, in a few words.
        caveats: the differences from the paper's setting, one line each.
        notes: misprints and other remarks, one line each.
        provenance: data, features, vectors, versions, backend, device, precision, time.
        tolerance: points within which a measured number agrees with the published one; `None` for no mark.
    """

    table: PublishedTable
    columns: tuple[str, ...]
    rows: tuple[MeasuredRow, ...]
    measured: str
    caveats: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tolerance: float | None = None

    @property
    def heading(self) -> str:
        """Paper, number and title."""
        return f"{self.table.paper.upper()}, table {self.table.number}: {self.table.title}"

    @property
    def names(self) -> list[str]:
        """The rows' names; rows of the same name are preceded by their part of the table."""
        names = [row.row.name for row in self.rows]
        return [
            f"{row.row.part}: {row.row.name}" if names.count(row.row.name) > 1 else row.row.name for row in self.rows
        ]
