"""Run the present command as several jobs: `--jobs`, `--engine`, `--address`."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import typer

from mner_keras.cli.options import Engine
from mner_keras.cli.terminal import ends_interrupt, note
from mner_keras.errors import InputError


def run_jobs(out: Path | None, ending: str, shard: str | None, jobs: int, engine: Engine, address: str) -> bool:
    """Run the command's shards side by side if it has several jobs or runs on Ray; return whether it does.

    The output of each shard is in the folder `<out>.logs`, which is removed when all of them end well.

    Args:
        out: the folder of parts; `None` if the command has none, or reads standard input.
        ending: the extension of a part.
        shard, jobs, engine, address: the command's options.
    """
    if jobs == 1 and engine == Engine.local and not address:
        return False
    from mner_keras.papers.runner import stop
    from mner_keras.scale.ray_engine import open_engine
    from mner_keras.scale.shards import Shard

    if out is None:
        raise InputError("`--jobs` and `--engine` need a file to read, and `--out`, the folder of the parts")
    if shard is not None:
        raise InputError("`--shard` excludes `--jobs`, `--engine` and `--address`: it is itself one of several jobs")
    logs, began = Path(f"{out}.logs"), time.monotonic()
    running: dict[int, Any] = {}
    codes: list[int] = []
    with open_engine(engine, jobs, address) as start, ends_interrupt():  # Ray catches these signals, too
        Shard(1, jobs).part(out, ending)
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir()
        own = ("--engine", "local", "--jobs", "1", "--address", "", "--shard")
        try:
            for number in range(1, jobs + 1):
                running[number] = start([*sys.argv[1:], *own, f"{number}/{jobs}"], logs / f"{number}.log")
            while running:
                time.sleep(0.1)
                for number, command in list(running.items()):
                    if command.poll() is not None:
                        codes.append(running.pop(number).returncode)
                        printed = (logs / f"{number}.log").read_text(encoding="utf-8", errors="replace")
                        last = "".join(printed.splitlines()[-1:])
                        note(f"shard {number}/{jobs}, {time.monotonic() - began:,.0f} s: {last}")
        except KeyboardInterrupt:
            note(f"interrupted; the same command continues ({out})")
            raise typer.Exit(130) from None
        finally:
            stop(list(running.values()))
    if any(codes):
        note(f"{sum(map(bool, codes))} of {jobs} shards failed; their output: {logs}")
        raise typer.Exit(max(map(abs, codes)))
    shutil.rmtree(logs)
    return True
