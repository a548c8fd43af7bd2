"""Run a command's shards side by side, on this machine or in a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mner_keras.papers.runner import start_process, stop
from mner_keras.scale.ray_engine import ray_engine


def run_shards(
    arguments: Sequence[str],
    out: str | os.PathLike,
    jobs: int,
    engine: str,
    address: str = "",
    report: Callable[[str], None] = lambda line: None,
) -> int:
    """Run `mner ARGUMENTS --shard I/JOBS` for each I at once.

    Their output goes to the folder `<out>.logs`, which is removed when all shards end well.

    Args:
        arguments: the command with its options; `--engine` and `--jobs` among them are overridden.
        out: what the command writes.
        jobs: the number of shards.
        engine: `local` or `ray`.
        address: see `ray_engine`.
        report: receives a line for people when a shard ends.

    Returns:
        the exit code: 0 if all shards ended well, otherwise the highest of theirs.

    Raises:
        InputError: the cluster is missing or too small.
    """
    logs = Path(f"{os.fspath(out)}.logs")
    started = time.monotonic()
    with ray_engine(jobs, address) if engine == "ray" else contextlib.nullcontext(start_process) as start:
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
