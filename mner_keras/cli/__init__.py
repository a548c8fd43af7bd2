"""The `mner` command, one subcommand per file."""

import importlib
import os
import sys
import warnings
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from mner_keras.errors import InputError, TrainingDiverged

COMMANDS = ("train", "evaluate", "tag", "export", "compare", "reproduce_table", "figure", "report", "models", "demo")
COMMANDS += ("doctor", "features", "data")


class _PlainFlags:
    """A command whose help shows a flag without a type: it takes no value."""

    def get_params(self, ctx):
        params = super().get_params(ctx)
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params


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


groups = [app]
for name in COMMANDS:
    module = importlib.import_module(f"mner_keras.cli.{name}")
    if hasattr(module, "app"):
        app.add_typer(module.app, name=name)
        groups.append(module.app)
    else:
        app.command()(getattr(module, name))
for group in groups:
    group.info.cls = type("Group", (_PlainFlags, TyperGroup), {})
    for command in group.registered_commands:
        command.cls = type("Command", (_PlainFlags, TyperCommand), {})


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
