"""Tables with what is published and what is measured: the record in `table.json`, and the folder that contains it."""

import dataclasses
import math
import os
import statistics
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from mner_keras.data.datasets import Dataset, check_dataset, load_dataset
from mner_keras.errors import InputError
from mner_keras.files import read_parsed, write_json, write_whole
from mner_keras.papers.compare import compare_runs
from mner_keras.papers.plan import DataIdentity, Plan, PlannedRun, identify_dataset
from mner_keras.papers.published import OVERALL, Column, PublishedNumber, PublishedTable, TableRow, find_table
from mner_keras.papers.render import Record, to_csv, to_latex, to_markdown
from mner_keras.papers.runner import FINISHED, outcome_of
from mner_keras.registry import find_model
from mner_keras.run.config import free_arguments
from mner_keras.run.run import SCHEME, SCHEMES, Run

PLAN = "plan.toml"
_CHANGED = (
    "The cleaned distribution differs from the original in 30 tags, and so by 10, 5 and 6 entities; the paper counts "
    "the original."
)


def cell_record(
    number: PublishedNumber | None, values: Sequence[float], comparable: bool = True, tolerance: float | None = None
) -> Record:
    """Return a published number and the measured values: one per seed, one count or one setting; empty for none."""
    mean = statistics.fmean(values) if values else None
    difference = within = None
    if number is not None and mean is not None and comparable:
        difference = mean - number.value
    if tolerance is not None and difference is not None:
        within = abs(difference) <= tolerance or math.isclose(abs(difference), tolerance)
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return {
        "published": number and number.value,
        "source": number and number.source,
        "significant": number is not None and number.significant,
        "misprint": number and number.misprint and number.misprint.note,
        **{"mean": mean, "standard_deviation": deviation, "values": list(values)},
        **{"difference": difference, "within_tolerance": within},
    }


def row_record(row: TableRow, cells: Mapping[str, Record], **more: Any) -> Record:
    """Return a row with its cells by column; `more` gives `seeds`, `runs` (folders), `comparison` and `failures`."""
    about = {"key": row.key, "name": row.name, "part": row.part, "cells": dict(cells)}
    return {**about, "seeds": [], "runs": [], "comparison": None, "failures": [], **more}


def table_record(table: PublishedTable, columns: Iterable[str], rows: Sequence[Record], **more: Any) -> Record:
    """Return a table; `more` replaces entries of the record.

    These are `measured` (what the measured numbers are, in a few words), `data` (the name of a `DataIdentity`),
    `caveats` (differences from the paper's setting), `provenance` and `tolerance`; `notes` follow those of the paper.
    """
    return {
        **{name: getattr(table, name) for name in ("paper", "number", "title", "kind", "unit")},
        **{"measured": "", "data": "", "reference": dict(table.reference), "tolerance": None, "caveats": []},
        **{"columns": list(columns), "rows": list(rows), "notes": [], "provenance": {}, **more},
        "notes": [*_published_notes(table, {row["key"] for row in rows}), *more.get("notes", ())],
    }


def build_table(
    plan: Plan, scheme: str = "strict", tolerance: float | None = None, outcomes: Mapping[Path, str] | None = None
) -> Record:
    """Build a table of results from the run folders of its plan.

    Args:
        scheme: how entities are read (`mner_keras.run.run.SCHEMES`).
        tolerance: points within which a measured number agrees with the published one.
        outcomes: how runs ended, by folder; of the others, their folders say.
    """
    table = plan.table
    known = {run.folder: outcome_of(run.folder) for run in plan.runs} | dict(outcomes or {})
    finished = {run.folder: Run(run.folder) for run in plan.runs if known[run.folder] == FINISHED}
    scores = {}  # by what the papers call the types, and overall
    for folder, run in finished.items():
        found = run.scores(scheme)
        by_type = {plan.data.types.get(kind, kind): row for kind, row in found["types"].items()}
        scores[folder] = {OVERALL: found["micro"], **by_type}
    columns = {_heading(column): column for column in _columns(table, scores.values())}
    by_row: dict[str, dict[int, Run]] = {run.row.key: {} for run in plan.runs}
    failures: dict[str, list[str]] = {key: [] for key in by_row}
    for run in plan.runs:
        if run.folder in finished:
            by_row[run.row.key][run.seed] = finished[run.folder]
        else:
            failures[run.row.key].append(f"seed {run.seed} {known[run.folder]}")
    rows = []
    for key, row in {run.row.key: run.row for run in plan.runs}.items():
        folders: dict[Path, int] = {}
        for seed, run in by_row[key].items():
            folders.setdefault(run.path, seed)  # a system without random numbers has one run for all seeds
        cells = {}
        for heading, column in columns.items():
            kind, metric = column.entity_type, column.metric or row.metric
            values = [scores[folder][kind][metric] for folder in folders if kind in scores[folder]]
            number = table.find_number(key, column.key) if column.key in row.values else None
            cells[heading] = cell_record(number, values, plan.data.comparable(table), tolerance)
        runs = {"seeds": list(folders.values()), "runs": list(map(str, folders)), "failures": failures[key]}
        rows.append(row_record(row, cells, comparison=_compare(table, row, by_row, scheme), **runs))
    provenances = [run.provenance for run in finished.values()]
    backends = sorted({str(found.get("backend")) for found in provenances})
    several = (f"the runs used several backends: {', '.join(backends)}",) if len(backends) > 1 else ()
    measured = f"F1, precision and recall in percent, over whole entities ({SCHEMES[scheme]}), of the test split"
    about = {"measured": measured, "data": plan.data.name, "caveats": [*plan.caveats, *several], "tolerance": tolerance}
    provenance = _join_provenances(provenances, scheme)
    return table_record(table, columns, rows, notes=_test_notes(table, rows), provenance=provenance, **about)


def _published_notes(table: PublishedTable, shown: set[str]) -> list[str]:
    """Return the table's note, one line per misprint in the rows shown, and the notes of rows of results."""
    lines = [table.note] if table.note else []
    lines += [f"misprint ({m.row}, {', '.join(m.columns)}): {m.note}" for m in table.misprints if m.row in shown]
    if table.kind == "results":
        lines += [f"{row.name}: {row.note}" for row in table.rows if row.key in shown and row.note]
    return lines


def _columns(table: PublishedTable, scores: Iterable[Mapping[str, Any]]) -> list[Column]:
    """Return the table's columns; if it has columns by type, one more for each type that the papers do not have."""
    types = {column.entity_type for column in table.columns}
    metric = "f1" if table.columns[0].metric else None
    new = dict.fromkeys(kind for found in scores for kind in found if types != {OVERALL} and kind not in types)
    return [*table.columns, *(Column(kind, kind, kind, metric) for kind in new)]


def _heading(column: Column) -> str:
    if column.metric is None:
        return str(column.entity_type)
    name = "F1" if column.metric == "f1" else column.metric
    return name if column.entity_type == OVERALL and column.metric != "f1" else f"{column.entity_type} {name}"


def _compare(
    table: PublishedTable, row: TableRow, by_row: Mapping[str, Mapping[int, Run]], scheme: str
) -> Record | None:
    """Compare a row with the table's reference in F1, over the seeds that both have; `None` for the reference."""
    pair = by_row[row.key], by_row.get(table.reference.get("row", ""), {})
    seeds = set(pair[0]) & set(pair[1])
    if row.metric not in (None, "f1") or not seeds or any(pair[0][seed] is pair[1][seed] for seed in seeds):
        return None
    return dataclasses.asdict(compare_runs(*(reversed(pair) if table.reference["role"] == "best" else pair), scheme))


def _test_notes(table: PublishedTable, rows: Sequence[Record]) -> list[str]:
    comparisons = [row["comparison"] for row in rows if row["comparison"] is not None]
    if not comparisons:
        return []
    name = next(row.name for row in table.rows if row.key == table.reference["row"])
    claim = f"that {name} is better than the row" if table.reference["role"] == "best" else f"better than {name}"
    notes = [
        f"bootstrap: p, paired over posts, one-tailed, 1,000 draws: {claim}; the interval is the difference's, 95 %",
        f"t-test: p, paired by seed, one-tailed: {claim}",
    ]
    return notes if any(found["t_test"] is not None for found in comparisons) else notes[:1]


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


def measure_table(
    folder: str | os.PathLike,
    table: PublishedTable,
    data: str = "sample",
    plan: Plan | None = None,
    scheme: str = "strict",
    tolerance: float | None = None,
    outcomes: Mapping[Path, str] | None = None,
) -> Record:
    """Build a table, and write its plan and its printed forms (Markdown, CSV, LaTeX, JSON) into a folder.

    A table of results needs the plan, and takes the arguments of `build_table`; a table of statistics takes the data.
    """
    folder = Path(folder)
    content: dict = {"paper": table.paper, "table": table.number}
    if plan is not None:
        measured = build_table(plan, scheme, tolerance, outcomes)
        content |= {"scheme": scheme, "caveats": list(plan.caveats), "data": dataclasses.asdict(plan.data)}
        content |= {} if tolerance is None else {"tolerance": tolerance}
        # Relative paths: table and runs may be moved together.
        content["run"] = [
            {"row": run.row.key, "seed": run.seed, "folder": os.path.relpath(run.folder, folder)} for run in plan.runs
        ]
    elif table.kind == "statistics":
        measured = count_table(table, load_dataset(data))
        content["data"] = os.path.abspath(data) if Path(data).is_dir() else data
    else:
        measured = settings_table(table)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"table.md": to_markdown(measured), "table.csv": to_csv(measured), "table.tex": to_latex(measured)}
    for name, text in {PLAN: tomli_w.dumps(content), **texts}.items():
        write_whole(folder / name, lambda unfinished, text=text: unfinished.write_text(text, encoding="utf-8"))
    write_json(folder / "table.json", measured)
    return measured


def read_table(folder: str | os.PathLike) -> Record:
    """Build a folder's table again, from its plan and the run folders; raise `InputError` if a file is missing."""
    path = Path(folder) / PLAN
    content = read_parsed(path, "a table of `mner reproduce-table`", tomllib.loads)
    try:
        table = find_table(content["paper"], content["table"])
        if table.kind == "statistics":
            return count_table(table, load_dataset(content["data"]))
        if table.kind == "settings":
            return settings_table(table)
        rows = {row.key: row for row in table.rows}
        runs = [PlannedRun(rows[run["row"]], run["seed"], path.parent / run["folder"]) for run in content["run"]]
        plan = Plan(table, DataIdentity(**content["data"]), tuple(runs), caveats=tuple(content["caveats"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"expected the plan of a table, found one without {error}", path) from None
    return build_table(plan, content["scheme"], content.get("tolerance"))


def count_table(table: PublishedTable, data: Dataset) -> Record:
    """Build a table of statistics by counting in the data; rows of HSN's table 1 about its other data stay empty."""
    report, identity = check_dataset(data), identify_dataset(data)
    part = "Real-world" if identity.name == "real-world" else "Twitter"
    rows, notes = [], []
    for row in table.rows:
        cells = {}
        for column in table.columns:
            counts = report["total"] if column.key == "total" else report["splits"][column.key]
            values = () if row.part not in ("", part) else (float(_count(row, counts, identity.types)),)
            number = table.find_number(row.key, column.key)
            cells[column.name] = cell_record(number, values, identity.comparable(table))
        rows.append(row_record(row, cells))
        if row.note and any(cell["difference"] for cell in cells.values()):
            notes.append(": ".join(filter(None, (row.part, row.name, row.note))))
    if identity.name == "umt" and table.paper == "agban":
        notes.append(_CHANGED)
    columns = [column.name for column in table.columns]
    about = {"measured": f"counted; entities are read as {SCHEME}", "caveats": [f"data: {identity.description}"]}
    provenance = {"data": [{"name": data.name, "sha256": report["sha256"]}], "scheme": SCHEME}
    return table_record(table, columns, rows, data=identity.name, notes=notes, provenance=provenance, **about)


def _count(row: TableRow, counts: Mapping[str, Any], types: Mapping[str, str]) -> int:
    """Return posts, pictures or entities, as a row of a table of statistics asks."""
    if row.entity_type == OVERALL or row.name == "Entities":
        return counts["entities"]
    if row.entity_type is not None:
        return sum(count for kind, count in counts["types"].items() if types[kind] == row.entity_type)
    return counts["posts"] - (counts["without_picture"] if row.name == "Images" else 0)


def settings_table(table: PublishedTable) -> Record:
    """Build a table of settings next to the defaults of the paper's model."""
    entry = find_model(table.paper)
    model_class = entry.load_class()
    preprocessor = model_class.fit_preprocessor(load_dataset("sample")["train"])
    values = {f"model.{name}": value for name, value in free_arguments(model_class).items()}
    values |= {f"training.{name}": value for name, value in dataclasses.asdict(entry.training).items()}
    # The width of the word vectors is that of the pretrained ones, where there are any. The number of tags follows from
    # the data; the papers' four types make nine.
    values |= {"model.word_dim": model_class(preprocessor).get_layer("word_embedding").dim, "num_tags": 9}
    rows = [
        row_record(row, {"value": cell_record(table.find_number(row.key, "value"), [float(values[row.setting])])})
        for row in table.rows
    ]
    notes = [f"{row.name}: {row.note}" for row in table.rows if row.note]
    return table_record(table, ["value"], rows, measured=f"the defaults of `mner train {table.paper}`", notes=notes)
