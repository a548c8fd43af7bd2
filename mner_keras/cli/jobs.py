"""Run the present command as several jobs: `--jobs`, `--engine`, `--address`."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from mner_keras.cli.options import Engine
from mner_keras.cli.terminal import ends_interrupt, note
from mner_keras.errors import InputError


def run_jobs(out: Path | None, ending: str, shard: str | None, jobs: int, engine: Engine, address: str) -> bool:
    """Run the command's shards side by side if it is to have several jobs or to run on Ray; return whether it is.

    Args:
        out: the folder of parts; `None` if the command has none, or reads standard input.
        ending: the extension of a part.
        shard, jobs, engine, address: the command's options.

    Raises:
        InputError: a shard of several jobs, no folder for the parts, or no engine.
        Exit: a shard failed.
    """
    if jobs == 1 and engine == Engine.local and not address:
        return False
    from mner_keras.scale.engine import open_engine, run_shards
    from mner_keras.scale.shards import Shard

    if out is None:
        raise InputError("`--jobs` and `--engine` need a file to read, and `--out`, the folder of the parts")
    if shard is not None:
        raise InputError("`--shard` excludes `--jobs`, `--engine` and `--address`: it is itself one of several jobs")
    with ends_interrupt(), open_engine(engine, jobs, address) as start:
        Shard(1, jobs).part(out, ending)
        code = run_shards(sys.argv[1:], out, jobs, start, note)
    if code:
        raise typer.Exit(code)
    return True
