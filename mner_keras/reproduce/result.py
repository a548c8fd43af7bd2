"""`TableResult`: a table with what is published and what is measured."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from mner_keras.reproduce.statistics import Comparison
from mner_keras.reproduce.table import PublishedNumber, PublishedTable


@dataclasses.dataclass(frozen=True)
class Cell:
    """One number of a table.

    Args:
        published: what the paper prints; `None` where it prints nothing.
        values: what was measured, one value a seed (or one count, or one setting); empty where nothing was.
        comparable: whether both are of the same thing, so that their difference means something.
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
        """Their standard deviation (of a sample); `None` below two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def difference(self) -> float | None:
        """Measured less published; `None` where one of them is missing or they are not of the same thing."""
        if self.published is None or self.mean is None or not self.comparable:
            return None
        return self.mean - self.published.value


@dataclasses.dataclass(frozen=True)
class ResultLine:
    """A line of a table.

    Args:
        key: the system's key, or the row's.
        name: as the paper prints it, with the metric where the table gives several by type.
        part: the part of the table that it stands in.
        cells: by column.
        seeds: seeds with a finished run.
        comparison: against the table's reference, in F1 over all entities; `None` for the reference, or without runs.
        failures: why runs of it did not finish.
        runs: the folders of its finished runs.
    """

    key: str
    name: str
    part: str
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...] = ()
    comparison: Comparison | None = None
    failures: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class TableResult:
    """A table of a paper, published and measured.

    Args:
        table: the table.
        columns: the columns' headings.
        lines: the lines.
        measured: what the measured numbers are, in a few words: `"strict IOB2, percent"`, `"counted"`.
        differs: what differs from the paper's setting, a line each.
        notes: misprints and other remarks, a line each.
        provenance: data, features, vectors, versions, backend, device, precision, wall time.
        tolerance: points within which a measured number counts as agreeing; `None` where none was stated.
    """

    table: PublishedTable
    columns: tuple[str, ...]
    lines: tuple[ResultLine, ...]
    measured: str
    differs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tolerance: float | None = None

    @property
    def heading(self) -> str:
        """Paper, number and title."""
        return f"{self.table.paper.upper()}, table {self.table.number}: {self.table.title}"

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values; numbers are not rounded."""
        table = self.table
        return {
            "paper": table.paper,
            "table": table.number,
            "title": table.title,
            "kind": table.kind,
            "unit": table.unit,
            "measured": self.measured,
            "reference": None if table.reference is None else dataclasses.asdict(table.reference),
            "tolerance": self.tolerance,
            "differs": list(self.differs),
            "columns": list(self.columns),
            "lines": [
                {
                    "key": line.key,
                    "name": line.name,
                    "part": line.part,
                    "seeds": list(line.seeds),
                    "cells": {
                        column: _cell_json(cell, self.tolerance)
                        for column, cell in zip(self.columns, line.cells, strict=True)
                    },
                    "comparison": None if line.comparison is None else dataclasses.asdict(line.comparison),
                    "failures": list(line.failures),
                    "runs": list(line.runs),
                }
                for line in self.lines
            ],
            "notes": list(self.notes),
            "provenance": dict(self.provenance),
        }


def agrees(cell: Cell, tolerance: float | None) -> bool | None:
    """Whether a measured number is within the tolerance of the published one; `None` where that cannot be said."""
    if tolerance is None or cell.difference is None:
        return None
    return abs(cell.difference) <= tolerance or math.isclose(abs(cell.difference), tolerance)


def _cell_json(cell: Cell, tolerance: float | None) -> dict[str, Any]:
    published = cell.published
    return {
        "published": None if published is None else published.value,
        "source": None if published is None else published.source,
        "significant": published is not None and published.significant,
        "misprint": None if published is None or published.misprint is None else published.misprint.note,
        "mean": cell.mean,
        "standard_deviation": cell.deviation,
        "values": list(cell.values),
        "difference": cell.difference,
        "within_tolerance": agrees(cell, tolerance),
    }


def published_notes(table: PublishedTable, numbers: Sequence[PublishedNumber]) -> tuple[str, ...]:
    """What a reader should know of a table as printed, and a line for each misprint among the numbers."""
    return ((table.note,) if table.note else ()) + tuple(
        dict.fromkeys(
            f"misprint ({number.row}, {', '.join(number.misprint.columns)}): {number.misprint.note}"
            for number in numbers
            if number.misprint is not None
        )
    )
