"""`mner models`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from mner_keras.cli.keras_start import start_keras
from mner_keras.cli.options import AsJson, read_arguments
from mner_keras.cli.terminal import print_json, print_table
from mner_keras.errors import InputError
from mner_keras.registry import MODELS, find_model


def models(
    name: Annotated[str | None, typer.Argument(help="A model, to show its arguments and parameters.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Model argument for counting the parameters."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the models that `mner train` accepts, or describe one of them.

    The list shows each system's source, its rows in the two papers' tables, and its inputs. The description adds the
    class, the arguments with their defaults (`mner train --set`), the training settings, and the number of
    parameters, counted on the sample corpus without word vectors.
    """
    if name is None:
        if set_:
            raise InputError("`--set` needs the name of a model")
        _list(as_json)
        return
    record = _record(name) | _details(name, set_ or ())
    if as_json:
        print_json(record)
        return
    rows = [f"{row['paper'].upper()} {row['table']}, {row['row']}" for row in record["rows"]]
    print_table(
        f"{name}: {record['summary']}",
        ["", ""],
        [
            ["paper", record["paper"] or "-"],
            ["rows", "\n".join(rows) or "-"],
            ["reads", ", ".join(record["reads"])],
            ["extra", f"pip install 'mner-keras[{record['extra']}]'" if record["extra"] else "-"],
            ["class", record["class"]],
            ["arguments", _lines(record["arguments"])],
            ["training", _lines(record["training"])],
            ["parameters", record["parameters_note"] or f"{record['parameters']:,} ({record['counted_on']})"],
        ],
        left=2,
        header_shown=False,
    )


def _list(as_json: bool) -> None:
    records = [_record(name) for name in MODELS]
    if as_json:
        print_json(records)
        return
    width = max(map(len, MODELS)) + 2
    for record in records:
        tables: dict[str, dict[str, None]] = {}
        for row in record["rows"]:
            tables.setdefault(row["paper"].upper(), {})[row["table"]] = None
        printed = [f"{paper} table {', '.join(numbers)}" for paper, numbers in tables.items()]
        paper = f" ({record['paper']})" if record["paper"] else ""
        print(f"{record['name']:{width}}{record['summary']}{paper}")
        print(" " * width + "; ".join([*printed, f"reads {', '.join(record['reads'])}"]))


def _record(name: str) -> dict[str, Any]:
    """Return a model's entries in the registry and the published tables."""
    from mner_keras.papers.published import PAPERS, load_published

    entry = find_model(name)
    rows = [
        {
            "paper": paper,
            "table": table.number,
            "row": f"{row.name} ({row.vectors} vectors)" if row.vectors else row.name,
        }
        for paper in PAPERS
        for table in load_published(paper).tables
        for row in table.rows
        if row.model == name
    ]
    return {
        "name": name,
        "summary": entry.summary,
        "paper": entry.paper,
        "rows": rows,
        "reads": list(entry.reads),
        "extra": entry.extra,
        "training": entry.used_training(),
    }


def _details(name: str, pairs: Sequence[str]) -> dict[str, Any]:
    """Return the parts of a description that need Keras: class, arguments, parameters."""
    start_keras()
    from mner_keras.data.datasets import load_dataset
    from mner_keras.run.config import RunConfig, check_arguments, free_arguments
    from mner_keras.run.fit import TaggerFit

    config = RunConfig.for_model(name, arguments=read_arguments(pairs))
    model_class = config.entry.load_class()
    check_arguments(model_class, config.arguments)
    arguments = {**free_arguments(model_class), **config.all_arguments}
    parameters, note = None, ""
    if not config.entry.is_keras:
        note = "known after training"
    elif arguments["backbone"] is not None and "backbone" not in config.arguments:
        note = "depends on the backbone: count with --set backbone=FOLDER"
    else:
        parameters = TaggerFit(config, load_dataset("sample")).model.count_params()
    return {
        "class": f"{model_class.__module__}.{model_class.__name__}",
        "arguments": arguments,
        "parameters": parameters,
        "parameters_note": note,
        "counted_on": "sample corpus, no word vectors",
    }


def _lines(values: dict[str, Any]) -> str:
    return "\n".join(f"{name} = {value!r}" for name, value in values.items()) or "-"
