"""The folder of a table: `plan.toml`, from which the table is built again, and its printed forms."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import tomli_w

from mner_keras.data.datasets import load_dataset
from mner_keras.errors import InputError
from mner_keras.files import write_json, write_whole
from mner_keras.papers.build_table import build_table, count_table, settings_table
from mner_keras.papers.identify_dataset import DataIdentity
from mner_keras.papers.measured import MeasuredTable
from mner_keras.papers.plan import Plan, RowRun
from mner_keras.papers.published import PublishedTable, find_table
from mner_keras.papers.render import to_csv, to_json, to_latex, to_markdown
from mner_keras.papers.runner import Outcome

PLAN = "plan.toml"


def measure_table(
    folder: str | os.PathLike,
    table: PublishedTable,
    data: str = "sample",
    plan: Plan | None = None,
    scheme: str = "strict",
    tolerance: float | None = None,
    outcomes: Mapping[Path, Outcome] | None = None,
) -> MeasuredTable:
    """Build a table, and write its plan and its printed forms (Markdown, CSV, LaTeX, JSON) into a folder.

    Args:
        folder: the folder.
        table: the published table.
        data: the data set, for a table of statistics.
        plan: the plan, for a table of results.
        scheme: as in `build_table`.
        tolerance: as in `build_table`.
        outcomes: as in `build_table`.
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
    texts = {
        PLAN: tomli_w.dumps(content),
        "table.md": to_markdown(measured),
        "table.csv": to_csv(measured),
        "table.tex": to_latex(measured),
    }
    for name, text in texts.items():
        write_whole(folder / name, lambda unfinished, text=text: unfinished.write_text(text, encoding="utf-8"))
    write_json(folder / "table.json", to_json(measured))
    return measured


def read_table(folder: str | os.PathLike) -> MeasuredTable:
    """Build the table of a folder again, from its plan and the run folders.

    Raises:
        InputError: the folder has no plan, or a file cannot be read.
    """
    path = Path(folder) / PLAN
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"expected a table of `mner reproduce-table`; {error.strerror or error}", path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"expected the plan of a table, found a file that does not parse ({error})", path) from None
    try:
        table = find_table(content["paper"], content["table"])
        if table.kind == "statistics":
            return count_table(table, load_dataset(content["data"]))
        if table.kind == "settings":
            return settings_table(table)
        rows = {row.key: row for row in table.rows}
        runs = [RowRun(rows[run["row"]], run["seed"], path.parent / run["folder"]) for run in content["run"]]
        plan = Plan(table, DataIdentity(**content["data"]), tuple(runs), caveats=tuple(content["caveats"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"expected the plan of a table, found one without {error}", path) from None
    return build_table(plan, content["scheme"], content.get("tolerance"))
