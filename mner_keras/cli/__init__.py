"""The `mner` command, one subcommand per file."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from mner_keras.cli import (
    compare,
    data,
    demo,
    doctor,
    evaluate,
    export,
    features,
    figure,
    models,
    report,
    reproduce_table,
    tag,
    train,
)
from mner_keras.errors import InputError, TrainingDiverged


class _PlainFlags:
    """Show a flag in the help without a type: it takes no value."""

    def get_params(self, ctx):
        params = super().get_params(ctx)
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params


class _Command(_PlainFlags, TyperCommand):
    pass


class _Group(_PlainFlags, TyperGroup):
    pass


app = typer.Typer(
    name="mner",
    help="Multimodal named entity recognition: find people, places, organisations and other names in posts, with the "
    "help of their pictures.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # joins the lines of a paragraph and wraps them
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from mner_keras import __version__

        print(f"mner-keras {__version__}")
        raise typer.Exit


@app.callback()
def _mner(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("tag")(tag.tag)
app.command("export")(export.export)
app.command("compare")(compare.compare)
app.command("reproduce-table")(reproduce_table.reproduce_table)
app.command("figure")(figure.figure)
app.command("report")(report.report)
app.command("models")(models.models)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(features.app, name="features")
app.add_typer(data.app, name="data")
for group in (app, features.app, data.app):
    group.info.cls = _Group
    for command in group.registered_commands:
        command.cls = _Command


def main() -> None:
    """Run the command line.

    Bad input ends with a message and exit code 2, a run that diverged with 3, an interrupt with 130.
    """
    # Users do not need TensorFlow's start-up notes.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    try:
        app()
    except InputError as error:
        _fail(str(error), 3 if isinstance(error, TrainingDiverged) else 2)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except (RuntimeError, OSError, ImportError) as error:
        from mner_keras.text import TaggerDataMissing

        if not isinstance(error, (TaggerDataMissing, OSError, ImportError)):
            raise
        _fail(str(error), 2)


def _fail(message: str, code: int) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)
