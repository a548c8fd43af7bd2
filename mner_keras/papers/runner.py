"""Train the runs of a plan, once each, in separate processes."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mner_keras.errors import InputError
from mner_keras.papers.plan import PlannedRun
from mner_keras.run.config import RunConfig
from mner_keras.run.provenance import changed_inputs
from mner_keras.run.run import PROVENANCE

COMMAND = (sys.executable, "-m", "mner_keras", "train")
LOG = "train.log"
DIVERGED = 3
"""The exit code of `mner train` for a run whose loss became NaN or infinite."""
_FAILED = "diverged.txt"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        folder: the run's folder.
        state: `"finished"`, `"diverged"` or `"failed"`.
        message: why it failed, in a line.
    """

    folder: Path
    state: str
    message: str = ""


def outcome_of(folder: Path) -> Outcome | None:
    """Return how a run ended earlier; `None` if it has not ended."""
    if (folder / PROVENANCE).is_file():
        return Outcome(folder, "finished")
    if (folder / _FAILED).is_file():
        return Outcome(folder, "diverged", (folder / _FAILED).read_text(encoding="utf-8").strip())
    return None


def check_finished(runs: Sequence[PlannedRun]) -> None:
    """Check that the finished runs used the files of today.

    Raises:
        InputError: posts, features or vectors of a run were replaced since.
    """
    for folder in {run.folder: None for run in runs if (run.folder / PROVENANCE).is_file()}:
        changed = changed_inputs(folder)
        if changed:
            raise InputError(
                f"expected a run on the files as they are now: {', '.join(changed)} since; another --out starts anew",
                folder,
            )


def begun(folder: Path) -> bool:
    """Return whether a run has started and has not ended."""
    return (folder / LOG).is_file() and outcome_of(folder) is None


def run_all(
    runs: Sequence[PlannedRun], jobs: int = 1, report: Callable[[str], None] = lambda line: None
) -> dict[Path, Outcome]:
    """Train the runs that have not ended, in order.

    Each run is `mner train CONFIG --out FOLDER --resume` in a separate process, so that a crash does not affect the
    others; its output goes to `train.log` in its folder. A started run continues after its last epoch.

    Args:
        runs: the runs; runs with the same folder are one run.
        jobs: number of processes.
        report: receives a line for people when a run starts and when it ends.

    Returns:
        the outcome of each run, by its folder.

    Raises:
        KeyboardInterrupt: after the processes have ended; each keeps its finished epochs.
        InputError: a folder contains a run with another configuration.
    """
    folders = {run.folder: run.config for run in runs}
    outcomes = {folder: found for folder in folders if (found := outcome_of(folder)) is not None}
    waiting = [folder for folder in folders if folder not in outcomes]
    for folder in waiting:
        _prepare(folder, folders[folder])
    started: dict[Path, tuple[subprocess.Popen, float]] = {}
    total, begun = len(waiting), 0
    try:
        while waiting or started:
            while waiting and len(started) < jobs:
                folder = waiting.pop(0)
                begun += 1
                # Another table that shares the run may have trained it meanwhile.
                if (found := outcome_of(folder)) is not None:
                    outcomes[folder] = found
                    report(_line(found, 0))
                    continue
                started[folder] = (_start(folder), time.monotonic())
                report(f"[{begun}/{total}] {folder.name}: training")
            for folder, (process, since) in list(started.items()):
                if process.poll() is not None:
                    del started[folder]
                    outcomes[folder] = _ended(folder, process.returncode)
                    report(_line(outcomes[folder], time.monotonic() - since))
            time.sleep(0.1)
    finally:
        _stop([process for process, _ in started.values()])
    return outcomes


def _prepare(folder: Path, config: RunConfig) -> None:
    path = folder / "config.toml"
    if path.is_file():
        if RunConfig.load(path) != config:
            raise InputError("expected the configuration of this table's run, found another one", path)
        return
    folder.mkdir(parents=True, exist_ok=True)
    config.save(path)


def _start(folder: Path) -> subprocess.Popen:
    command = [*COMMAND, os.fspath(folder / "config.toml"), "--out", os.fspath(folder), "--resume"]
    with open(folder / LOG, "ab") as log:
        # A group of its own: the keyboard's interrupt reaches this process, which passes it on and waits.
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def _ended(folder: Path, code: int) -> Outcome:
    if code == 0 and (folder / PROVENANCE).is_file():
        return Outcome(folder, "finished")
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
    message = lines[-1].removeprefix("error: ")
    if code == DIVERGED:
        (folder / _FAILED).write_text(message + "\n", encoding="utf-8")
        return Outcome(folder, "diverged", message)
    if code < 0:
        message = f"ended by {signal.Signals(-code).name}"
    return Outcome(folder, "failed", f"{message} ({folder / LOG})")


def _line(outcome: Outcome, seconds: float) -> str:
    why = f": {outcome.message}" if outcome.message else ""
    return f"  {outcome.folder.name}: {outcome.state} after {seconds:,.0f} s{why}"


def _stop(processes: Sequence[subprocess.Popen]) -> None:
    """End processes that still run: politely first."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 10
    for process in processes:
        try:
            process.wait(timeout=max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
