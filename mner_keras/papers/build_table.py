"""Build measured tables from run folders, from the data and from the models' defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mner_keras.data.datasets import Dataset, check_dataset, load_dataset
from mner_keras.papers.identify_dataset import identify_dataset
from mner_keras.papers.measured import Cell, MeasuredRow, MeasuredTable
from mner_keras.papers.plan import Plan, RowRun
from mner_keras.papers.published import OVERALL, Column, PublishedTable, TableRow
from mner_keras.papers.runner import Outcome, outcome_of
from mner_keras.papers.statistics import Comparison, compare
from mner_keras.registry import find_model
from mner_keras.run.arguments import free_arguments
from mner_keras.run.run import Run
from mner_keras.run.scores import SCHEME, SCHEMES, entity_scores

_CHANGED = (
    "The cleaned distribution differs from the original in 30 tags, and so by 10, 5 and 6 entities; the paper counts "
    "the original."
)


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
    known = outcomes or {folder: outcome_of(folder) or Outcome(folder, "not finished") for folder in folders}
    finished = {folder: Run(folder) for folder in folders if known[folder].state == "finished"}
    scores = {folder: _scores(run, scheme, plan.data.types) for folder, run in finished.items()}
    columns = _columns(table, scores.values())
    by_row: dict[str, dict[int, Path]] = {run.row.key: {} for run in plan.runs}
    for run in plan.runs:
        if run.folder in finished:
            by_row[run.row.key][run.seed] = run.folder
    rows = []
    for row in {run.row.key: run.row for run in plan.runs}.values():
        # A system without random numbers has one run for all seeds.
        seeds = {folder: seed for seed, folder in reversed(by_row[row.key].items())}
        seeds = dict(reversed(seeds.items()))
        cells = []
        for column in columns:
            kind, metric = column.entity_type, column.metric or row.metric
            values = tuple(scores[folder][kind][metric] for folder in seeds if kind in scores[folder])
            number = table.number_at(row, column) if column.key in row.values else None
            cells.append(Cell(number, values, plan.data.comparable(table)))
        rows.append(
            MeasuredRow(
                row,
                tuple(cells),
                seeds=tuple(seeds.values()),
                runs=tuple(seeds),
                comparison=_compare(table, row, by_row, finished, scheme),
                failures=_failures(row, plan.runs, known),
            )
        )
    provenances = [run.provenance for run in finished.values()]
    return MeasuredTable(
        table=table,
        columns=tuple(_heading(column) for column in columns),
        rows=tuple(rows),
        measured=f"F1, precision and recall in percent, over whole entities ({SCHEMES[scheme]}), of the test split",
        caveats=(*plan.caveats, *_backend_caveat(provenances)),
        notes=(*_published_notes(table, rows), *_test_notes(table, rows)),
        provenance=_join_provenances(provenances, scheme),
        tolerance=tolerance,
    )


def count_table(table: PublishedTable, data: Dataset) -> MeasuredTable:
    """Build a table of statistics (HSN's table 1, AGBAN's table I) by counting in the data.

    HSN's table 1 describes two data sets; the rows of the other one stay empty.

    Raises:
        InputError: a file of the data set is missing or malformed.
    """
    report, identity = check_dataset(data), identify_dataset(data)
    part = "Real-world" if identity.name == "real-world" else "Twitter"
    rows, notes = [], []
    for row in table.rows:
        cells = []
        for column in table.columns:
            counts = report["total"] if column.key == "total" else report["splits"][column.key]
            values = () if row.part not in ("", part) else (float(_count(row, counts, identity.types)),)
            cells.append(Cell(table.number_at(row, column), values, identity.name != "other"))
        rows.append(MeasuredRow(row, tuple(cells)))
    differing = [row.row for row in rows if any(cell.difference for cell in row.cells)]
    notes = [": ".join(filter(None, (row.part, row.name, row.note))) for row in differing if row.note]
    if identity.name == "umt" and table.paper == "agban" and differing:
        notes.append(_CHANGED)
    return MeasuredTable(
        table=table,
        columns=tuple(column.name for column in table.columns),
        rows=tuple(rows),
        measured=f"counted; entities are read as {SCHEME}",
        caveats=(f"data: {identity.description}",),
        notes=(*_published_notes(table, rows), *notes),
        provenance={"data": [{"name": data.name, "sha256": report["sha256"]}], "scheme": SCHEME},
    )


def settings_table(table: PublishedTable) -> MeasuredTable:
    """Build a table of settings next to the defaults of the paper's model."""
    entry = find_model(table.paper)
    model_class = entry.load_class()
    defaults = free_arguments(model_class)
    # The width of the word vectors is that of the pretrained ones, where there are any.
    preprocessor = model_class.fit_preprocessor(load_dataset("sample")["train"])
    defaults["word_dim"] = model_class(preprocessor).get_layer("word_embedding").dim
    rows = []
    for row in table.rows:
        where, _, name = (row.setting or "").partition(".")
        # The number of tags follows from the data; the papers' four types make nine.
        default = {"training": lambda n: getattr(entry.training, n), "model": defaults.get}
        value = default.get(where, lambda n: 9)(name)
        rows.append(MeasuredRow(row, (Cell(table.number_at(row, table.columns[0]), (float(value),)),)))
    return MeasuredTable(
        table=table,
        columns=("value",),
        rows=tuple(rows),
        measured=f"the defaults of `mner train {table.paper}`",
        notes=tuple(f"{row.name}: {row.note}" for row in table.rows if row.note),
    )


def _count(row: TableRow, counts: Mapping[str, Any], types: Mapping[str, str]) -> int:
    """Return posts, pictures or entities, as a row of a table of statistics asks."""
    if row.entity_type == OVERALL or row.name == "Entities":
        return counts["entities"]
    if row.entity_type is not None:
        return sum(count for kind, count in counts["types"].items() if types[kind] == row.entity_type)
    return counts["posts"] - (counts["without_picture"] if row.name == "Images" else 0)


def _scores(run: Run, scheme: str, types: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Return scores by what the papers call the types, and overall."""
    found = entity_scores([row.tags for row in run.predictions], [row.predicted for row in run.predictions], scheme)
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


def _failures(row: TableRow, runs: Sequence[RowRun], known: Mapping[Path, Outcome]) -> tuple[str, ...]:
    failures = {}
    for run in runs:
        outcome = known[run.folder]
        if run.row.key == row.key and outcome.state != "finished":
            failures[f"seed {run.seed} {outcome.state}" + (f": {outcome.message}" if outcome.message else "")] = None
    return tuple(failures)


def _published_notes(table: PublishedTable, rows: Sequence[MeasuredRow]) -> tuple[str, ...]:
    """Return the table's note, one line per misprint among its numbers, and the notes of rows of results."""
    misprints = {cell.published.misprint: None for row in rows for cell in row.cells if cell.published is not None}
    lines = [table.note] if table.note else []
    lines += [f"misprint ({m.row}, {', '.join(m.columns)}): {m.note}" for m in misprints if m is not None]
    if table.kind == "results":
        lines += [f"{row.row.name}: {row.row.note}" for row in rows if row.row.note]
    return tuple(lines)


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


def _backend_caveat(provenances: Sequence[Mapping[str, Any]]) -> list[str]:
    backends = sorted({str(found.get("backend")) for found in provenances})
    return [f"the runs used several backends: {', '.join(backends)}"] if len(backends) > 1 else []


def _join_provenances(provenances: Sequence[Mapping[str, Any]], scheme: str) -> dict[str, Any]:
    """Return the distinct values of the runs, and the sum of their time."""

    def distinct(read: Callable[[Mapping[str, Any]], Any]) -> list[Any]:
        values = []
        for found in map(read, provenances):
            if found is not None and found not in values:
                values.append(found)
        return values

    packages = dict.fromkeys(name for found in provenances for name in found.get("versions", {}))
    names = ("data", "features", "vectors", "backend", "devices", "machine", "precision", "git_commit")
    return {
        "scheme": SCHEMES[scheme],
        **{name: distinct(lambda found, name=name: found.get(name)) for name in names},
        "versions": {
            package: " and ".join(distinct(lambda found, package=package: found.get("versions", {}).get(package)))
            for package in packages
        },
        "seconds": round(sum(found.get("seconds", 0) for found in provenances), 1),
        "runs": len(provenances),
    }
