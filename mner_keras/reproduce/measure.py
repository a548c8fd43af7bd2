"""Read the finished runs of a table, and put what they scored beside what is published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mner_keras.data.datasets import Dataset, load_dataset
from mner_keras.errors import InputError
from mner_keras.reproduce.differences import differences
from mner_keras.reproduce.kinship import entity_types, kinship, paper_types
from mner_keras.reproduce.plan import PlannedRun, Setting
from mner_keras.reproduce.result import Cell, ResultLine, TableResult, published_notes
from mner_keras.reproduce.runner import Outcome
from mner_keras.reproduce.statistics import Comparison, compare
from mner_keras.reproduce.systems import OVERALL, Line, columns_of, lines_of, turned
from mner_keras.reproduce.table import PublishedTable
from mner_keras.run.predictions import Prediction, read_predictions
from mner_keras.run.run import PROVENANCE, Run
from mner_keras.run.scores import SCHEMES, entity_scores


def measure(
    table: PublishedTable,
    setting: Setting,
    runs: Sequence[PlannedRun],
    outcomes: Mapping[Path, Outcome],
    scheme: str = "strict",
    tolerance: float | None = None,
) -> TableResult:
    """The table of the runs that are finished.

    Args:
        table: a table of results.
        setting: on what its systems were trained.
        runs: the runs of the plan.
        outcomes: how they ended.
        scheme: how entities are read (`mner_keras.run.scores.SCHEMES`).
        tolerance: points within which a measured number counts as agreeing with the published one.

    Raises:
        InputError: a run's files cannot be read.
    """
    data = load_dataset(setting.data)
    kin = kinship(data)
    finished = {folder for folder, outcome in outcomes.items() if outcome.state == "finished"}
    provenances = {folder: Run(folder).provenance for folder in finished}
    predictions = {folder: read_predictions(folder) for folder in finished}
    names = paper_types(data)
    scores = {folder: _scores(rows, scheme, names) for folder, rows in predictions.items()}
    by_system: dict[str, dict[int, Path]] = {}
    for run in runs:
        if run.folder in finished:
            by_system.setdefault(run.system.key, {})[run.seed] = run.folder
    comparisons = _comparisons(table, by_system, predictions, scheme)
    columns = _columns(table, data)
    lines = [
        _line(line, columns, by_system, scores, comparisons, runs, outcomes, kin.comparable(table))
        for line in lines_of(table)
        if any(run.system.key == line.system.key for run in runs)
    ]
    numbers = [cell.published for line in lines for cell in line.cells if cell.published is not None]
    return TableResult(
        table=table,
        columns=tuple(name for name, *_ in columns),
        lines=tuple(lines),
        measured=f"F1, precision and recall in percent, over whole entities ({SCHEMES[scheme]}), of the test split",
        differs=differences(table, setting, data, kin, runs, provenances),
        notes=(*published_notes(table, numbers), *_row_notes(lines, runs), *_test_notes(table, comparisons)),
        provenance=_provenance(data, provenances, scheme),
        tolerance=tolerance,
    )


def check_finished(setting: Setting, runs: Sequence[PlannedRun]) -> None:
    """Look at the runs that are finished already.

    Raises:
        InputError: a run of other files than those that now lie in the data set's folder.
    """
    data = load_dataset(setting.data)
    hashes = data.hashes()
    for folder in dict.fromkeys(run.folder for run in runs if (run.folder / PROVENANCE).is_file()):
        if Run(folder).provenance.get("data", {}).get("sha256") != hashes:
            raise InputError(
                f"expected a run on {data.name} as it is now, found one on other files: the data changed since. "
                "Another --out begins anew",
                folder,
            )


def _scores(predictions: Iterable[Prediction], scheme: str, names: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Scores by what the papers call the types, and overall."""
    rows = list(predictions)
    found = entity_scores([row.tags for row in rows], [row.predicted for row in rows], scheme)
    return {OVERALL: found["micro"], **{names.get(kind, kind): row for kind, row in found["types"].items()}}


def _columns(table: PublishedTable, data: Dataset) -> list[tuple[str, str, str | None]]:
    """Heading, entity type and metric of each column; the types of the data that no paper has come last."""
    if turned(table):
        types = list(dict.fromkeys(kind for kind, _ in columns_of(table)))
        columns: list[tuple[str, str, str | None]] = [(kind, kind, None) for kind in types]
    else:
        columns = [(_heading(kind, metric), kind, metric) for kind, metric in columns_of(table)]
        types = list(dict.fromkeys(kind for kind, _ in columns_of(table)))
    if types != [OVERALL]:
        metric = None if turned(table) else "f1"
        names = paper_types(data)
        new = [names[kind] for kind in entity_types(data) if names[kind] not in types]
        columns += [(kind if metric is None else _heading(kind, metric), kind, metric) for kind in new]
    return columns


def _heading(kind: str, metric: str) -> str:
    name = {"f1": "F1"}.get(metric, metric)
    return name if kind == OVERALL and metric != "f1" else f"{kind} {name}"


def _line(
    line: Line,
    columns: Sequence[tuple[str, str, str | None]],
    by_system: Mapping[str, Mapping[int, Path]],
    scores: Mapping[Path, Mapping[str, Mapping[str, float]]],
    comparisons: Mapping[str, Comparison],
    runs: Sequence[PlannedRun],
    outcomes: Mapping[Path, Outcome],
    comparable: bool,
) -> ResultLine:
    key = line.system.key
    # A system that knows no seed has the same folder for all.
    folders: dict[Path, int] = {}
    for seed, folder in by_system.get(key, {}).items():
        folders.setdefault(folder, seed)
    cells = []
    for _, kind, metric in columns:
        metric = metric or line.metric
        values = tuple(scores[folder][kind][metric] for folder in folders if kind in scores[folder])
        cells.append(Cell(line.numbers.get((kind, metric)), values, comparable))
    names = {"precision": "precision", "recall": "recall", "f1": "F1"}
    failures = {
        f"seed {run.seed} {outcomes[run.folder].state}: {outcomes[run.folder].message}"
        for run in runs
        if run.system.key == key and run.folder in outcomes and outcomes[run.folder].state != "finished"
    }
    return ResultLine(
        key=key,
        name=line.system.name if line.metric is None else f"{line.system.name}, {names[line.metric]}",
        part=line.system.part,
        cells=tuple(cells),
        seeds=tuple(folders.values()),
        comparison=comparisons.get(key) if line.metric in (None, "f1") else None,
        failures=tuple(sorted(failures)),
        runs=tuple(str(folder) for folder in folders),
    )


def _comparisons(
    table: PublishedTable,
    by_system: Mapping[str, Mapping[int, Path]],
    predictions: Mapping[Path, list[Prediction]],
    scheme: str,
) -> dict[str, Comparison]:
    """Each system against the table's reference, over the seeds that both have."""
    reference = table.reference
    if reference is None or reference.system not in by_system:
        return {}
    base = by_system[reference.system]
    found = {}
    for key, folders in by_system.items():
        pairs = [(folders[seed], base[seed]) for seed in sorted(set(base) & set(folders))]
        if not pairs or any(ours == theirs for ours, theirs in pairs):
            continue
        ours, theirs = ([predictions[pair[side]] for pair in pairs] for side in (0, 1))
        found[key] = compare(theirs, ours, scheme) if reference.role == "best" else compare(ours, theirs, scheme)
    return found


def _row_notes(lines: Sequence[ResultLine], runs: Sequence[PlannedRun]) -> tuple[str, ...]:
    notes = {run.system.key: run.system.note for run in runs if run.system.note}
    return tuple(f"{line.name}: {notes[line.key]}" for line in lines if line.key in notes)


def _test_notes(table: PublishedTable, comparisons: Mapping[str, Comparison]) -> tuple[str, ...]:
    if not comparisons or table.reference is None:
        return ()
    reference = next(line.system.name for line in lines_of(table) if line.system.key == table.reference.system)
    claim = f"that {reference} is better than the row" if table.reference.role == "best" else f"better than {reference}"
    notes = [
        f"bootstrap: p, paired over posts, one-tailed, 1,000 draws: {claim}; the interval is the difference's, 95 %"
    ]
    if any(found.t_test is not None for found in comparisons.values()):
        notes.append(f"t-test: p, paired by seed, one-tailed: {claim}")
    return tuple(notes)


def _provenance(data: Dataset, provenances: Mapping[Path, Mapping[str, Any]], scheme: str) -> dict[str, Any]:
    """What the runs have in common, and the sum of their time."""

    def distinct(read: Any) -> list[Any]:
        values = []
        for provenance in provenances.values():
            value = read(provenance)
            if value is not None and value not in values:
                values.append(value)
        return values

    return {
        "scheme": SCHEMES[scheme],
        "data": {"name": data.name, "sha256": data.hashes()},
        "features": distinct(lambda p: p.get("features")),
        "vectors": distinct(lambda p: p.get("vectors")),
        "versions": join_versions(p.get("versions", {}) for p in provenances.values()),
        "backend": distinct(lambda p: p.get("backend")),
        "devices": distinct(lambda p: p.get("devices")),
        "machine": distinct(lambda p: p.get("machine")),
        "precision": distinct(lambda p: p.get("precision")),
        "git_commit": distinct(lambda p: p.get("git_commit")),
        "seconds": round(sum(p.get("seconds", 0) for p in provenances.values()), 1),
        "runs": len(provenances),
    }


def join_versions(runs: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The versions of the packages of several runs; several of one package are all named."""
    found: dict[str, list[str]] = {}
    for versions in runs:
        for name, version in versions.items():
            if version not in found.setdefault(name, []):
                found[name].append(version)
    return {name: " and ".join(versions) for name, versions in found.items()}
