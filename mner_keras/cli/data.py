"""`mner data`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mner_keras.cli.tables import print_table

app = typer.Typer(help="Data sets: what is in them.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Data sets: what is in them."""


@app.command()
def check(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="`sample`, or a folder with train, dev, test.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count posts, pictures and entities (strict IOB2), and say what is odd."""
    from mner_keras.data.check import check_dataset
    from mner_keras.data.datasets import load_dataset

    report = check_dataset(load_dataset(folder))
    if as_json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
        return
    splits = [*report["splits"], "total"]
    columns = [*report["splits"].values(), report["total"]]

    def row(name: str, key: str) -> list[str]:
        return [name, *(f"{column[key]:,}" for column in columns)]

    print_table(
        report["name"],
        ["", *splits],
        [
            row("posts", "posts"),
            row("tokens", "tokens"),
            row("pictures", "pictures"),
            row("posts without a picture", "without_picture"),
            row("posts without an entity", "without_entity"),
            row("entities", "entities"),
            *(
                [f"  {kind}", *(f"{column['types'].get(kind, 0):,}" for column in columns)]
                for kind in report["total"]["types"]
            ),
            row("orphan I- tags", "orphans"),
        ],
    )
    print("Entities are counted as strict IOB2: at B- only. An orphan I- follows no tag of its type.")
    for pair, counts in report["shared"].items():
        print(f"{pair}: {counts['posts']:,} posts with the same words, {counts['pictures']:,} pictures in both")
    for name, value in report["sha256"].items():
        print(f"{value}  {name}")
