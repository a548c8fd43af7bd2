"""`mner models`."""

from collections import defaultdict
from typing import Annotated, Any

from typer import Argument, Option

from mner_keras.cli.options import AsJson, read_arguments
from mner_keras.cli.terminal import print_json, print_table, start_keras
from mner_keras.errors import InputError
from mner_keras.registry import MODELS, find_model


def models(
    name: Annotated[str | None, Argument(help="A model, to show its arguments and parameters.")] = None,
    set_: Annotated[
        list[str] | None, Option("--set", metavar="NAME=VALUE", help="Model argument for counting the parameters.")
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
        found, show = [_record(known) for known in MODELS], _print_list
    else:
        found, show = _record(name) | _details(name, read_arguments(set_ or ())), _print_description
    (print_json if as_json else show)(found)


def _print_list(records: list[dict[str, Any]]) -> None:
    width = max(map(len, MODELS)) + 2
    for record in records:
        tables = defaultdict(dict)
        for row in record["rows"]:
            tables[row["paper"].upper()][row["table"]] = None
        printed = [f"{paper} table {', '.join(numbers)}" for paper, numbers in tables.items()]
        paper = f" ({record['paper']})" if record["paper"] else ""
        print(f"{record['name']:{width}}{record['summary']}{paper}")
        print(" " * width + "; ".join([*printed, f"reads {', '.join(record['reads'])}"]))


def _print_description(record: dict[str, Any]) -> None:
    def lines(values: dict[str, Any]) -> str:
        return "\n".join(f"{name} = {value!r}" for name, value in values.items())

    shown = {
        "paper": record["paper"],
        "rows": "\n".join(f"{row['paper'].upper()} {row['table']}, {row['row']}" for row in record["rows"]),
        "reads": ", ".join(record["reads"]),
        "extra": record["extra"] and f"pip install 'mner-keras[{record['extra']}]'",
        "class": record["class"],
        "arguments": lines(record["arguments"]),
        "training": lines(record["training"]),
        "parameters": record["parameters_note"] or f"{record['parameters']:,} ({record['counted_on']})",
    }
    rows = [[key, text or "-"] for key, text in shown.items()]
    print_table(f"{record['name']}: {record['summary']}", ["", ""], rows, left=2)


def _record(name: str) -> dict[str, Any]:
    """Return a model's entries in the registry and the published tables."""
    from mner_keras.papers.published import PAPERS, load_published

    entry = find_model(name)
    rows = [
        {"paper": paper, "table": table.number, "row": row.name + f" ({row.vectors} vectors)" * bool(row.vectors)}
        for paper in PAPERS
        for table in load_published(paper).tables
        for row in table.rows
        if row.model == name
    ]
    about = {"name": name, "summary": entry.summary, "paper": entry.paper, "rows": rows, "reads": list(entry.reads)}
    return {**about, "extra": entry.extra, "training": entry.used_training()}


def _details(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a description that need Keras: class, arguments, parameters."""
    start_keras()
    from mner_keras.data.datasets import load_dataset
    from mner_keras.run.config import RunConfig, check_arguments, free_arguments
    from mner_keras.run.fit import TaggerFit

    config = RunConfig.for_model(name, arguments=given)
    model_class = config.entry.load_class()
    check_arguments(model_class, given)
    arguments = {**free_arguments(model_class), **config.all_arguments}
    parameters, note = None, ""
    if not config.entry.is_keras:
        note = "known after training"
    elif arguments["backbone"] is not None and "backbone" not in given:
        note = "depends on the backbone: count with --set backbone=FOLDER"
    else:
        parameters = TaggerFit(config, load_dataset("sample")).model.count_params()
    about = {"class": f"{model_class.__module__}.{model_class.__name__}", "arguments": arguments}
    counted = {"parameters": parameters, "parameters_note": note, "counted_on": "sample corpus, no word vectors"}
    return about | counted
