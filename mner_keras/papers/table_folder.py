"""The folder of a table: `plan.toml`, from which the table is built again, and its printed forms."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from mner_keras.data.datasets import Dataset, check_dataset, load_dataset
from mner_keras.errors import InputError
from mner_keras.files import read_parsed, write_json, write_whole
from mner_keras.papers.measured import Record, build_table, cell_record, row_record, table_record
from mner_keras.papers.plan import DataIdentity, Plan, PlannedRun, identify_dataset
from mner_keras.papers.published import OVERALL, PublishedTable, TableRow, find_table
from mner_keras.papers.render import to_csv, to_latex, to_markdown
from mner_keras.registry import find_model
from mner_keras.run.config import free_arguments
from mner_keras.run.scores import SCHEME

PLAN = "plan.toml"
_CHANGED = (
    "The cleaned distribution differs from the original in 30 tags, and so by 10, 5 and 6 entities; the paper counts "
    "the original."
)


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
