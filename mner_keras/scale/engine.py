"""Run `mner` commands side by side: as processes of this machine, or as tasks of a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mner_keras.errors import InputError
from mner_keras.papers.runner import start_process, stop
from mner_keras.scale.ray_engine import ray_engine


@contextlib.contextmanager
def open_engine(name: str, jobs: int, address: str = "") -> Iterator[Callable[[Sequence[str], Path], Any]]:
    """Yield the function that starts `mner ARGUMENTS` with a file for its output: `start_process`, or `ray_engine`'s.

    Args:
        name: `local` or `ray`.
        jobs, address: see `ray_engine`.

    Raises:
        InputError: an address for `local`; a cluster that is missing or too small.
    """
    if address and name != "ray":
        raise InputError("`--address` names a Ray cluster: add `--engine ray`")
    with ray_engine(jobs, address) if name == "ray" else contextlib.nullcontext(start_process) as start:
        yield start


def run_shards(
    arguments: Sequence[str],
    out: str | os.PathLike,
    jobs: int,
    start: Callable[[Sequence[str], Path], Any],
    report: Callable[[str], None] = lambda line: None,
) -> int:
    """Run `mner ARGUMENTS --shard I/JOBS` for each I at once.

    Their output goes to the folder `<out>.logs`, which is removed when all shards end well.

    Args:
        arguments: the command with its options; `--engine` and `--jobs` among them are overridden.
        out: what the command writes.
        jobs: the number of shards.
        start: see `open_engine`.
        report: receives a line for people when a shard ends.

    Returns:
        the exit code: 0 if all shards ended well, otherwise the highest of theirs.
    """
    logs = Path(f"{os.fspath(out)}.logs")
    started = time.monotonic()
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    shards = [f"{number}/{jobs}" for number in range(1, jobs + 1)]
    running = {}
    try:
        for shard in shards:
            log = logs / f"{shard.replace('/', '-of-')}.log"
            running[shard] = start([*arguments, "--engine", "local", "--jobs", "1", "--shard", shard], log), log
        codes: dict[str, int] = {}
        while len(codes) < jobs:
            time.sleep(0.1)
            for shard, (command, log) in running.items():
                if shard not in codes and (code := command.poll()) is not None:
                    codes[shard] = code
                    last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
                    report(f"[{len(codes)}/{jobs}] shard {shard}, {time.monotonic() - started:,.0f} s: {last}")
    finally:
        stop([command for command, _ in running.values() if command.poll() is None])
    if any(codes.values()):
        report(f"shards that failed: {', '.join(shard for shard, code in codes.items() if code)} ({logs})")
    else:
        shutil.rmtree(logs)
    return max(map(abs, codes.values()))
