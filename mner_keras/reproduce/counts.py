"""The tables that nothing is trained for: what the data hold, and what the models' defaults are."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from mner_keras.data.check import check_dataset
from mner_keras.data.datasets import Dataset
from mner_keras.registry import find_model
from mner_keras.reproduce.kinship import Kinship, kinship, paper_types
from mner_keras.reproduce.result import Cell, ResultLine, TableResult, published_notes
from mner_keras.reproduce.systems import OVERALL
from mner_keras.reproduce.table import PublishedTable, Row
from mner_keras.run.scores import SCHEME

_TWITTER, _REAL_WORLD = "Twitter", "Real-world"
_CHANGED = (
    "The cleaned distribution differs from the original in 30 tags, and so by 10, 5 and 6 entities; the paper counts "
    "the original."
)


def count_table(table: PublishedTable, data: Dataset) -> TableResult:
    """A table of statistics, counted in the data.

    HSN's table 1 describes two data sets; the lines of the one that is not given stay empty.

    Args:
        table: HSN's table 1 or AGBAN's table I.
        data: the data set.

    Raises:
        InputError: a file of the data set is missing or malformed.
    """
    report, kin = check_dataset(data), kinship(data)
    part = _REAL_WORLD if kin.name == "real-world" else _TWITTER
    comparable = kin.name != "other"
    lines, names = [], paper_types(data)
    for row in table.rows:
        counts = _by_type(report, row, names) if table.paper == "agban" else _by_split(report, row, part)
        cells = [
            Cell(table.find_number(row.key, column.key), counts.get(column.key, ()), comparable)
            for column in table.columns
        ]
        lines.append(ResultLine(row.key, row.name, row.part, tuple(cells)))
    numbers = [cell.published for line in lines for cell in line.cells]
    return TableResult(
        table=table,
        columns=tuple(column.name for column in table.columns),
        lines=tuple(lines),
        measured=f"counted; entities are those of {SCHEME}",
        differs=(f"data: {kin.description}",),
        notes=(*published_notes(table, numbers), *_notes(table, kin, lines)),
        provenance={"data": {"name": data.name, "sha256": data.hashes()}, "scheme": SCHEME},
    )


def settings_table(table: PublishedTable) -> TableResult:
    """A table of settings beside the defaults of the model of that name."""
    lines = [
        ResultLine(row.key, row.name, "", (Cell(table.find_number(row.key, "value"), _default(table.paper, row)),))
        for row in table.rows
    ]
    return TableResult(
        table=table,
        columns=("value",),
        lines=tuple(lines),
        measured=f"the defaults of `mner train {table.paper}`",
        notes=tuple(f"{row.name}: {row.note}" for row in table.rows if row.note),
    )


def _default(model: str, row: Row) -> tuple[float, ...]:
    entry = find_model(model)
    where, _, name = (row.setting or "").partition(".")
    if where == "training":
        return (float(getattr(entry.training, name)),)
    if where == "model":
        return (float(inspect.signature(entry.load_class().__init__).parameters[name].default),)
    # The number of tags comes from the data; the papers' four types make nine.
    return (9.0,)


def _by_split(report: Mapping, row: Row, part: str) -> dict[str, tuple[float, ...]]:
    """Sentences, images or entities of a part, by split."""
    if row.part != part:
        return {}
    counts = {}
    for split, found in report["splits"].items():
        pictures = found["posts"] - found["without_picture"]
        value = {"Sentences": found["posts"], "Images": pictures, "Entities": found["entities"]}[row.name]
        counts[split] = (float(value),)
    return counts


def _by_type(report: Mapping, row: Row, names: Mapping[str, str]) -> dict[str, tuple[float, ...]]:
    """Entities of a type, by split and in all."""
    counts = {}
    for split, found in (*report["splits"].items(), ("total", report["total"])):
        types = {names[kind]: count for kind, count in found["types"].items()}
        value = found["entities"] if row.entity_type == OVERALL else types.get(row.entity_type, 0)
        counts[split] = (float(value),)
    return counts


def _notes(table: PublishedTable, kin: Kinship, lines: list[ResultLine]) -> list[str]:
    """Why counted numbers differ from the printed ones where no misprint says it."""
    differing = {line.key for line in lines if any(cell.difference for cell in line.cells)}
    notes = [
        ": ".join(filter(None, (row.part, row.name, row.note)))
        for row in table.rows
        if row.note and row.key in differing
    ]
    if kin.name == "umt" and table.paper == "agban" and differing:
        notes.append(_CHANGED)
    return notes
