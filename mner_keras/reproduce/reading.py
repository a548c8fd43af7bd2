"""Read a measured table back from its folder."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mner_keras.errors import InputError
from mner_keras.reproduce.published import find_table
from mner_keras.reproduce.render import notes_of, provenance_lines, rows_of
from mner_keras.reproduce.result import Cell, ResultLine, TableResult
from mner_keras.reproduce.statistics import Comparison
from mner_keras.reproduce.table import Misprint, PublishedNumber, Reference

TABLE = "table.json"


def read_result(folder: str | os.PathLike) -> TableResult:
    """The table that `mner reproduce-table` wrote into a folder.

    Args:
        folder: holds `table.json`.

    Raises:
        InputError: no such file, or one that `TableResult.to_json` did not make.
    """
    path = Path(folder) / TABLE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"expected a table of `mner reproduce-table`; {error.strerror or error}", path) from None
    except ValueError:
        raise InputError("expected JSON, found something else", path) from None
    try:
        result = _result(record)
        # What cannot be printed is no table either.
        list(rows_of(result)), notes_of(result), provenance_lines(result)
        return result
    except InputError as error:
        raise InputError(str(error), path) from None
    except KeyError as error:
        raise InputError(
            f"expected a table of `mner reproduce-table`, found one without {error.args[0]!r}", path
        ) from None
    except (TypeError, ValueError, AttributeError):
        raise InputError("expected a table of `mner reproduce-table`, found other JSON", path) from None


def _result(record: Mapping[str, Any]) -> TableResult:
    reference = record["reference"]
    table = dataclasses.replace(
        find_table(record["paper"], record["table"]),
        title=record["title"],
        kind=record["kind"],
        unit=record["unit"],
        reference=None if reference is None else Reference(**reference),
    )
    columns = tuple(record["columns"])
    lines = []
    for line in record["lines"]:
        found = line["comparison"]
        lines.append(
            ResultLine(
                key=line["key"],
                name=line["name"],
                part=line["part"],
                cells=tuple(_cell(record, line["key"], column, line["cells"][column]) for column in columns),
                seeds=tuple(line["seeds"]),
                comparison=None if found is None else Comparison(**found),
                failures=tuple(line["failures"]),
                runs=tuple(line["runs"]),
            )
        )
    return TableResult(
        table=table,
        columns=columns,
        lines=tuple(lines),
        measured=record["measured"],
        differs=tuple(record["differs"]),
        notes=tuple(record["notes"]),
        provenance=dict(record["provenance"]),
        tolerance=record["tolerance"],
    )


def _cell(record: Mapping[str, Any], row: str, column: str, cell: Mapping[str, Any]) -> Cell:
    published = None
    if cell["published"] is not None:
        note = cell["misprint"]
        published = PublishedNumber(
            paper=record["paper"],
            table=record["table"],
            row=row,
            column=column,
            value=cell["published"],
            unit=record["unit"],
            source=cell["source"],
            significant=cell.get("significant", False),
            misprint=None if note is None else Misprint(row, (column,), "", note),
        )
    both = published is not None and cell["mean"] is not None
    return Cell(published, tuple(cell["values"]), comparable=not both or cell["difference"] is not None)
