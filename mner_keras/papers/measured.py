"""`MeasuredTable`: a table with what is published and what is measured; `build_table` reads it from run folders."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mner_keras.papers.compare import Comparison, compare
from mner_keras.papers.plan import Plan
from mner_keras.papers.published import OVERALL, Column, PublishedNumber, PublishedTable, TableRow
from mner_keras.papers.runner import Outcome, outcome_of
from mner_keras.run.run import Run
from mner_keras.run.scores import SCHEMES


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
        runs: the folders of the finished runs by seed, each folder once.
        comparison: with the table's reference, in F1 over all entities; `None` for the reference, or without runs.
        failures: why runs did not finish.
    """

    row: TableRow
    cells: tuple[Cell, ...]
    runs: Mapping[int, Path] = dataclasses.field(default_factory=dict)
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


def build_table(
    plan: Plan, scheme: str = "strict", tolerance: float | None = None, outcomes: Mapping[Path, Outcome] | None = None
) -> MeasuredTable:
    """Build a table of results from the run folders of its plan.

    Args:
        plan: the plan.
        scheme: how entities are read (`mner_keras.run.scores.SCHEMES`).
        tolerance: points within which a measured number agrees with the published one.
        outcomes: how the runs ended, by folder; by default what their folders say.

    Raises:
        InputError: a run's files cannot be read.
    """
    table, folders = plan.table, dict.fromkeys(run.folder for run in plan.runs)
    known = outcomes or {folder: outcome_of(folder) or Outcome("not finished") for folder in folders}
    finished = {folder: Run(folder) for folder in folders if known[folder].state == "finished"}
    scores = {folder: _scores(run, scheme, plan.data.types) for folder, run in finished.items()}
    columns = _columns(table, scores.values())
    by_row: dict[str, dict[int, Path]] = {run.row.key: {} for run in plan.runs}
    failures: dict[str, dict[str, None]] = {run.row.key: {} for run in plan.runs}
    for run in plan.runs:
        outcome = known[run.folder]
        if outcome.state == "finished":
            by_row[run.row.key][run.seed] = run.folder
        else:
            why = f": {outcome.message}" if outcome.message else ""
            failures[run.row.key][f"seed {run.seed} {outcome.state}{why}"] = None
    rows = []
    for row in {run.row.key: run.row for run in plan.runs}.values():
        runs: dict[int, Path] = {}
        for seed, folder in by_row[row.key].items():
            # A system without random numbers has one run for all seeds.
            if folder not in runs.values():
                runs[seed] = folder
        cells = []
        for column in columns:
            kind, metric = column.entity_type, column.metric or row.metric
            values = tuple(scores[folder][kind][metric] for folder in runs.values() if kind in scores[folder])
            number = table.find_number(row.key, column.key) if column.key in row.values else None
            cells.append(Cell(number, values, plan.data.comparable(table)))
        comparison = _compare(table, row, by_row, finished, scheme)
        rows.append(MeasuredRow(row, tuple(cells), runs, comparison, tuple(failures[row.key])))
    provenances = [run.provenance for run in finished.values()]
    backends = sorted({str(found.get("backend")) for found in provenances})
    several = (f"the runs used several backends: {', '.join(backends)}",) if len(backends) > 1 else ()
    return MeasuredTable(
        table=table,
        columns=tuple(_heading(column) for column in columns),
        rows=tuple(rows),
        measured=f"F1, precision and recall in percent, over whole entities ({SCHEMES[scheme]}), of the test split",
        caveats=(*plan.caveats, *several),
        notes=(*published_notes(table, rows), *_test_notes(table, rows)),
        provenance=_join_provenances(provenances, scheme),
        tolerance=tolerance,
    )


def published_notes(table: PublishedTable, rows: Sequence[MeasuredRow]) -> tuple[str, ...]:
    """Return the table's note, one line per misprint in these rows, and the notes of rows of results."""
    shown = {row.row.key: row.row for row in rows}
    lines = [table.note] if table.note else []
    lines += [f"misprint ({m.row}, {', '.join(m.columns)}): {m.note}" for m in table.misprints if m.row in shown]
    if table.kind == "results":
        lines += [f"{row.name}: {row.note}" for row in shown.values() if row.note]
    return tuple(lines)


def _scores(run: Run, scheme: str, types: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Return scores by what the papers call the types, and overall."""
    found = run.scores(scheme)
    return {OVERALL: found["micro"], **{types.get(kind, kind): row for kind, row in found["types"].items()}}


def _columns(table: PublishedTable, scores: Iterable[Mapping[str, Any]]) -> list[Column]:
    """Return the table's columns; if it has columns by type, one more for each type that the papers do not have."""
    types = {column.entity_type for column in table.columns}
    if types == {OVERALL}:
        return list(table.columns)
    metric = "f1" if table.columns[0].metric else None
    new = dict.fromkeys(kind for found in scores for kind in found if kind not in types)
    return [*table.columns, *(Column(kind, kind, kind, metric) for kind in new)]


def _heading(column: Column) -> str:
    if column.metric is None:
        return str(column.entity_type)
    name = {"f1": "F1"}.get(column.metric, column.metric)
    return name if column.entity_type == OVERALL and column.metric != "f1" else f"{column.entity_type} {name}"


def _compare(
    table: PublishedTable,
    row: TableRow,
    by_row: Mapping[str, Mapping[int, Path]],
    finished: Mapping[Path, Run],
    scheme: str,
) -> Comparison | None:
    """Compare a row with the table's reference, over the seeds that both have."""
    ours, theirs = by_row[row.key], by_row.get(table.reference.get("row", ""), {})
    seeds = sorted(set(ours) & set(theirs))
    if row.metric not in (None, "f1") or not seeds or any(ours[seed] == theirs[seed] for seed in seeds):
        return None
    pair = [[finished[folders[seed]].predictions for seed in seeds] for folders in (ours, theirs)]
    return compare(*(reversed(pair) if table.reference["role"] == "best" else pair), scheme)


def _test_notes(table: PublishedTable, rows: Sequence[MeasuredRow]) -> tuple[str, ...]:
    comparisons = [row.comparison for row in rows if row.comparison is not None]
    if not comparisons:
        return ()
    name = next(row.name for row in table.rows if row.key == table.reference["row"])
    claim = f"that {name} is better than the row" if table.reference["role"] == "best" else f"better than {name}"
    notes = [
        f"bootstrap: p, paired over posts, one-tailed, 1,000 draws: {claim}; the interval is the difference's, 95 %"
    ]
    if any(found.t_test is not None for found in comparisons):
        notes.append(f"t-test: p, paired by seed, one-tailed: {claim}")
    return tuple(notes)


def _join_provenances(provenances: Sequence[Mapping[str, Any]], scheme: str) -> dict[str, Any]:
    """Return the distinct values of the runs, and the sum of their time."""
    versions = [found.get("versions", {}) for found in provenances]
    packages = dict.fromkeys(name for found in versions for name in found)
    names = ("data", "features", "vectors", "backend", "devices", "machine", "precision", "git_commit")
    return {
        "scheme": SCHEMES[scheme],
        **{name: _distinct(name, provenances) for name in names},
        "versions": {package: " and ".join(_distinct(package, versions)) for package in packages},
        "seconds": round(sum(found.get("seconds", 0) for found in provenances), 1),
        "runs": len(provenances),
    }


def _distinct(name: str, records: Iterable[Mapping[str, Any]]) -> list[Any]:
    values = []
    for value in (record.get(name) for record in records):
        if value is not None and value not in values:
            values.append(value)
    return values
