"""Run the trainings of a table, each in a process of its own, and estimate what they take."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mner_keras.data.datasets import load_dataset
from mner_keras.errors import InputError
from mner_keras.files import Progress, Report, no_progress, report_nothing
from mner_keras.papers.plan import PlannedRun
from mner_keras.run.config import RunConfig
from mner_keras.run.run import CONFIG, PROVENANCE, Run

COMMAND = (sys.executable, "-m", "mner_keras")
LOG = "train.log"
DIVERGED = 3  # the exit code of `mner train` for a run whose loss became NaN or infinite
_FAILED = "diverged.txt"
# Steps that an estimate takes, and the last ones, which are timed: the first ones compile. Posts that it evaluates.
_STEPS, _TIMED, _EVALUATED = 24, 16, 64
FINISHED, UNFINISHED = "finished", "not finished"


def outcome_of(folder: Path) -> str:
    """Return how a run ended earlier: `FINISHED`, `UNFINISHED` or `diverged: WHY`."""
    if (folder / PROVENANCE).is_file():
        return FINISHED
    if (folder / _FAILED).is_file():
        return f"diverged: {(folder / _FAILED).read_text(encoding='utf-8').strip()}"
    return UNFINISHED


def check_runs(runs: Sequence[PlannedRun], resume: bool = False) -> None:
    """Raise `InputError` for a finished run whose input files changed, and without `resume` for an interrupted one."""
    folders = dict.fromkeys(run.folder for run in runs)
    for folder in folders:
        if (folder / PROVENANCE).is_file() and (changed := Run(folder).changed_inputs()):
            problem = f"expected a run on the files as they are now: {', '.join(changed)} since"
            raise InputError(f"{problem}; another --out starts anew", folder)
    begun = [folder for folder in folders if (folder / LOG).is_file() and outcome_of(folder) == UNFINISHED]
    if begun and not resume:
        problem = f"{len(begun)} of the table's runs were interrupted ({begun[0].name}, ...)"
        raise InputError(f"{problem}: --resume continues them", begun[0].parent.parent)


def start_process(arguments: Sequence[str], log: Path) -> subprocess.Popen:
    """Start `mner ARGUMENTS` on this machine; its output is appended to a file."""
    with open(log, "ab") as file:
        # A group of its own: the keyboard's interrupt reaches this process, which passes it on and waits.
        streams = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT}
        return subprocess.Popen([*COMMAND, *arguments], start_new_session=True, **streams)


def run_all(
    runs: Sequence[PlannedRun],
    jobs: int = 1,
    report: Report = report_nothing,
    progress: Progress = no_progress,
    start: Callable[[Sequence[str], Path], Any] = start_process,
) -> dict[Path, str]:
    """Train the runs that have not ended, in order, `jobs` at once; runs with the same folder are one run.

    Each run is `mner train CONFIG --out FOLDER --resume` in a separate process, so that a crash does not affect the
    others; its output goes to `train.log` in its folder. A started run continues after its last epoch. `progress` is
    called with the finished epochs and their total; `start` returns an object with the methods of a `subprocess.Popen`.

    Returns:
        how each run ended, by its folder: as `outcome_of` says, or `failed: WHY`.

    Raises:
        KeyboardInterrupt: after the processes have ended; each keeps its finished epochs.
        InputError: a folder contains a run with another configuration.
    """
    planned: dict[Path, PlannedRun] = {}
    for run in runs:
        planned.setdefault(run.folder, run)
    outcomes = {folder: outcome_of(folder) for folder in planned}
    waiting = [folder for folder, outcome in outcomes.items() if outcome == UNFINISHED]
    for folder in waiting:
        path = folder / CONFIG
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            planned[folder].config.save(path)
        elif RunConfig.load(path) != planned[folder].config:
            raise InputError("expected the configuration of this table's run, found another one", path)
    started: dict[Path, tuple[Any, float]] = {}
    epochs = {folder: run.config.epochs for folder, run in planned.items()}
    total = len(waiting)

    def end(folder: Path, outcome: str, seconds: float = 0) -> None:
        outcomes[folder] = outcome
        state, _, why = outcome.partition(": ")
        more = f", test F1 {Run(folder).metrics['test']['micro']['f1']:.2f}" if outcome == FINISHED else f": {why}"
        report(f"{planned[folder]}: {state} in {seconds:,.0f} s{more}")

    try:
        while waiting or started:
            while waiting and len(started) < jobs:
                folder = waiting.pop(0)
                # Another table that shares the run may have trained it meanwhile.
                if (found := outcome_of(folder)) != UNFINISHED:
                    end(folder, found)
                    continue
                arguments = ["train", os.fspath(folder / CONFIG), "--out", os.fspath(folder), "--resume"]
                started[folder] = (start(arguments, folder / LOG), time.monotonic())
                report(f"[{total - len(waiting)}/{total}] {planned[folder]}: training")
            for folder, (process, since) in list(started.items()):
                if process.poll() is not None:
                    del started[folder]
                    end(folder, _ended(folder, process.returncode), time.monotonic() - since)
            # A run's log has a line per epoch.
            logged = sum(b"\n".join([b"", (of / LOG).read_bytes()]).count(b"\nepoch ") for of in started)
            ended = sum(epochs[of] for of in epochs if of not in started and of not in waiting)
            progress(ended + logged, sum(epochs.values()))
            time.sleep(0.1)
    finally:
        stop([process for process, _ in started.values()])
    return outcomes


def _ended(folder: Path, code: int) -> str:
    if code == 0 and (folder / PROVENANCE).is_file():
        return FINISHED
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    message = "".join(lines[-1:]).removeprefix("error: ")
    if code == DIVERGED:
        (folder / _FAILED).write_text(message + "\n", encoding="utf-8")
        return f"diverged: {message}"
    if code < 0:
        message = f"ended by {signal.Signals(-code).name}"
    return f"failed: {message} ({folder / LOG})"


def stop(processes: Sequence[Any]) -> None:
    """End processes that still run: politely first."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 10
    while running := [process for process in processes if process.poll() is None]:
        if time.monotonic() > deadline:
            for process in running:
                process.kill()
        time.sleep(0.05)


def estimate(run: PlannedRun) -> tuple[float, float]:
    """Time a few steps; return the seconds and megabytes of the whole run; raise `InputError` for unfit input."""
    config, data = run.config, load_dataset(run.config.data)
    if not config.entry.is_keras:
        times = [time.perf_counter()]
        for epochs in (1, 3):
            config.entry.load_class()(**config.all_arguments).fit(data["train"], data["dev"], epochs=epochs)
            times.append(time.perf_counter())
        first, three = np.diff(times)
        # A feature CRF of Twitter-2015 takes about 20 MB.
        return first + max(three - first, 0) / 2 * (config.epochs - 1), 20
    import keras

    from mner_keras.run.fit import TaggerFit

    keras.utils.clear_session()
    started, times = time.perf_counter(), []
    training = TaggerFit(config, data)

    def time_step(batch: int, logs: dict[str, Any]) -> None:
        float(logs["loss"])  # waits for the step
        times.append(time.perf_counter())

    training.model.fit(
        data["train"][: _STEPS * config.batch_size],
        features=training.store,
        batch_size=config.batch_size,
        validation_data=data["dev"][:_EVALUATED],
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=time_step)],
    )
    step = float(np.diff(times)[-_TIMED:].mean()) if len(times) > 1 else 0.0
    once = time.perf_counter() - started - len(times) * step
    # A step forward takes about a third of a step of training. Test posts are tagged twice.
    dev, test = (len(data[split]) / max(config.batch_size, 16) / 3 for split in ("dev", "test"))
    steps = config.epochs * (math.ceil(len(data["train"]) / config.batch_size) + dev) + dev + 2 * test
    slots = sum(math.prod(variable.shape) for variable in training.model.optimizer.variables)
    return once + steps * step, 4 * (2 * training.model.count_params() + slots) / 1e6
