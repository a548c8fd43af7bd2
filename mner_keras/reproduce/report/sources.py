"""What a report is made of: the folders of tables and of runs that a person named."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from mner_keras.errors import InputError
from mner_keras.papers.measured import MeasuredTable
from mner_keras.papers.table_folder import PLAN, read_table
from mner_keras.run.run import PROVENANCE as LAST_FILE


@dataclasses.dataclass(frozen=True)
class TableSource:
    """A table's folder.

    Args:
        result: the table.
        runs: the folders of the finished runs of each row.
    """

    result: MeasuredTable
    runs: tuple[tuple[Path, ...], ...]


def find_sources(places: Sequence[str | os.PathLike]) -> tuple[list[TableSource], list[Path]]:
    """The tables among folders, and the runs: those that are named, and those of the tables.

    Returns:
        the tables, and the runs' folders, each once, in the order in which they are met.

    Raises:
        InputError: a place that is neither a finished run nor a table.
    """
    tables: list[TableSource] = []
    runs: dict[Path, Path] = {}
    seen = set()
    for place in map(Path, places):
        if not place.is_dir():
            found = "a file" if place.exists() else "no such thing"
            raise InputError(f"expected the folder of a run or of a table, found {found}", place)
        if (place / PLAN).is_file():
            if place.resolve() not in seen:
                seen.add(place.resolve())
                tables.append(_table(place))
                for line in tables[-1].runs:
                    runs.update({run.resolve(): run for run in line if run.resolve() not in runs})
        elif (place / LAST_FILE).is_file():
            runs.setdefault(place.resolve(), place)
        elif (place / "config.toml").is_file():
            raise InputError(f"expected a finished run, found one without {LAST_FILE}", place)
        else:
            raise InputError(f"expected the folder of a run ({LAST_FILE}) or of a table ({PLAN}), found neither", place)
    return tables, list(runs.values())


def _table(folder: Path) -> TableSource:
    result = read_table(folder)
    return TableSource(result, tuple(row.runs for row in result.rows))
