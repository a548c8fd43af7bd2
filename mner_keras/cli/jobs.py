"""Run the present command as several jobs: `--jobs`, `--engine`, `--address`."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import typer

from mner_keras.cli.options import Engine
from mner_keras.cli.terminal import ends_interrupt, note
from mner_keras.errors import InputError

_ONE_JOB = ("--engine", "local", "--jobs", "1", "--address", "")


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
    running, codes = {}, {}
    with open_engine(engine, jobs, address) as start, ends_interrupt():  # Ray catches these signals, too
        Shard(1, jobs).part(out, ending)
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir()
        try:
            for number in range(1, jobs + 1):
                command = [*sys.argv[1:], *_ONE_JOB, "--shard", f"{number}/{jobs}"]
                running[number] = start(command, logs / f"{number}.log")
            while len(codes) < jobs:
                time.sleep(0.1)
                for number in running.keys() - codes.keys():
                    if (code := running[number].poll()) is not None:
                        codes[number] = code
                        last = (logs / f"{number}.log").read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
                        note(f"shard {number}/{jobs}, {time.monotonic() - began:,.0f} s: {''.join(last)}")
        except KeyboardInterrupt:
            note(f"interrupted; the same command continues ({out})")
            raise typer.Exit(130) from None
        finally:
            stop([command for command in running.values() if command.poll() is None])
    if any(codes.values()):
        note(f"{sum(map(bool, codes.values()))} of {jobs} shards failed; their output: {logs}")
        raise typer.Exit(max(map(abs, codes.values())))
    shutil.rmtree(logs)
    return True
