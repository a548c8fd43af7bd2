"""The systems that a table of results compares, whichever way the table is turned."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mner_keras.reproduce.table import PublishedNumber, PublishedTable

OVERALL = "overall"


@dataclasses.dataclass(frozen=True)
class TableSystem:
    """What one row of measurements belongs to.

    Args:
        key: the row's key, or the model's name where systems are columns.
        name: as the paper prints it.
        model: the registry's name.
        arguments: arguments of the model that make it this system.
        vectors: the word vectors, `"twitter"` or `"crawl"`, where the paper tells.
        part: the part of the table that it stands in.
        note: what a reader should know.
    """

    key: str
    name: str
    model: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    vectors: str | None = None
    part: str = ""
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a table of results: a system, or one metric of a system where a table has several by type.

    Args:
        system: the system.
        metric: `"precision"`, `"recall"` or `"f1"`; `None` where the columns say it.
        numbers: what the paper prints, by column; a column is an entity type and a metric.
    """

    system: TableSystem
    metric: str | None
    numbers: Mapping[tuple[str, str], PublishedNumber]


def systems_of(table: PublishedTable) -> tuple[TableSystem, ...]:
    """The systems of a table of results, in the paper's order."""
    systems = {}
    for row in table.rows:
        if row.model is not None:
            systems[row.key] = TableSystem(
                row.key, row.name, row.model, dict(row.arguments), row.vectors, row.part, row.note
            )
    for column in table.columns:
        if column.model is not None and column.model not in systems:
            name = column.name.rpartition(" ")[0]
            systems[column.model] = TableSystem(column.model, name, column.model)
    return tuple(systems.values())


def columns_of(table: PublishedTable) -> tuple[tuple[str, str], ...]:
    """The scores that a table gives: pairs of an entity type (or `"overall"`) and a metric, in the paper's order."""
    return tuple(dict.fromkeys((n.entity_type, n.metric) for n in table.numbers() if n.metric is not None))


def lines_of(table: PublishedTable) -> tuple[Line, ...]:
    """The lines to print: one a system, or one a system and metric where both types and metrics vary."""
    systems = {system.key: system for system in systems_of(table)}
    numbers: dict[tuple[str, str | None], dict[tuple[str, str], PublishedNumber]] = {}
    by_metric = turned(table)
    for number in table.numbers():
        key = number.model if by_metric else number.row
        line = numbers.setdefault((key, number.metric if by_metric else None), {})
        line[number.entity_type, number.metric] = number
    return tuple(Line(systems[key], metric, found) for (key, metric), found in numbers.items())


def turned(table: PublishedTable) -> bool:
    """Whether a table has its systems in columns, and types in rows."""
    return any(column.model is not None for column in table.columns)
