"""The tables and runs that a report is about."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from mner_keras.errors import InputError
from mner_keras.reproduce.reading import TABLE, read_result
from mner_keras.reproduce.result import TableResult
from mner_keras.run.run import CONFIG, PROVENANCE


@dataclasses.dataclass(frozen=True)
class TableSource:
    """A table's folder.

    Args:
        result: the table.
        runs: the folders of the available runs of each line.
        missing: the names of runs that are not available.
    """

    result: TableResult
    runs: tuple[tuple[Path, ...], ...]
    missing: tuple[str, ...]


def find_sources(places: Sequence[str | os.PathLike]) -> tuple[list[TableSource], list[Path]]:
    """Find the tables among folders, and the runs: the named ones and those of the tables.

    A table's run is searched for where the table says and, in case the folders were moved, in `runs` next to the
    table's folder.

    Returns:
        the tables, and the runs' folders, each once, in the order in which they are found.

    Raises:
        InputError: a place is neither a finished run nor a table.
    """
    tables: dict[Path, TableSource] = {}
    runs: dict[Path, Path] = {}
    for place in map(Path, places):
        if not place.is_dir():
            found = "a file" if place.exists() else "no such thing"
            raise InputError(f"expected the folder of a run or of a table, found {found}", place)
        if (place / TABLE).is_file():
            table = tables.setdefault(place.resolve(), _read_table(place))
            for run in (run for line in table.runs for run in line):
                runs.setdefault(run.resolve(), run)
        elif (place / PROVENANCE).is_file():
            runs.setdefault(place.resolve(), place)
        elif (place / CONFIG).is_file():
            raise InputError(f"expected a finished run, found one without {PROVENANCE}", place)
        else:
            raise InputError(
                f"expected the folder of a run ({PROVENANCE}) or of a table ({TABLE}), found neither", place
            )
    return list(tables.values()), list(runs.values())


def _read_table(folder: Path) -> TableSource:
    result = read_result(folder)
    lines, missing = [], {}
    for line in result.lines:
        found = []
        for name in map(Path, line.runs):
            places = (name, folder.resolve().parent / "runs" / name.name)
            run = next((place for place in places if (place / PROVENANCE).is_file()), None)
            if run is None:
                missing[name.name] = None
            else:
                found.append(run)
        lines.append(tuple(found))
    return TableSource(result, tuple(lines), tuple(missing))
