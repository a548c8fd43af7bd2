"""Run the trainings of a table, each in a process of its own, and estimate what they take."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mner_keras.data.datasets import load_dataset
from mner_keras.errors import InputError
from mner_keras.files import Progress, no_progress
from mner_keras.papers.plan import PlannedRun
from mner_keras.run.config import RunConfig
from mner_keras.run.run import PROVENANCE, Run

COMMAND = (sys.executable, "-m", "mner_keras")
LOG = "train.log"
DIVERGED = 3
"""The exit code of `mner train` for a run whose loss became NaN or infinite."""
_FAILED = "diverged.txt"
# Steps that an estimate takes, and the last ones, which are timed: the first ones compile. Posts that it tags.
_STEPS, _TIMED, _TAGGED = 24, 16, 64
_BYTES = 4
# A feature CRF of Twitter-2015 takes about as much.
_SYSTEM_MEGABYTES = 20


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    state: str  # "finished", "diverged" or "failed"
    message: str = ""  # why it failed, in a line


def outcome_of(folder: Path) -> Outcome | None:
    """Return how a run ended earlier; `None` if it has not ended."""
    if (folder / PROVENANCE).is_file():
        return Outcome("finished")
    if (folder / _FAILED).is_file():
        return Outcome("diverged", (folder / _FAILED).read_text(encoding="utf-8").strip())
    return None


def begun(folder: Path) -> bool:
    """Return whether a run has started and has not ended."""
    return (folder / LOG).is_file() and outcome_of(folder) is None


def check_finished(runs: Sequence[PlannedRun]) -> None:
    """Check that the finished runs used the files of today.

    Raises:
        InputError: posts, features or vectors of a run were replaced since.
    """
    for folder in dict.fromkeys(run.folder for run in runs):
        if (folder / PROVENANCE).is_file() and (changed := Run(folder).changed_inputs()):
            raise InputError(
                f"expected a run on the files as they are now: {', '.join(changed)} since; another --out starts anew",
                folder,
            )


def start_process(arguments: Sequence[str], log: Path) -> subprocess.Popen:
    """Start `mner ARGUMENTS` on this machine; its output is added to a file."""
    with open(log, "ab") as file:
        # A group of its own: the keyboard's interrupt reaches this process, which passes it on and waits.
        return subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def run_all(
    runs: Sequence[PlannedRun],
    jobs: int = 1,
    report: Callable[[str], None] = lambda line: None,
    progress: Progress = no_progress,
    start: Callable[[Sequence[str], Path], Any] = start_process,
) -> dict[Path, Outcome]:
    """Train the runs that have not ended, in order.

    Each run is `mner train CONFIG --out FOLDER --resume` in a separate process, so that a crash does not affect the
    others; its output goes to `train.log` in its folder. A started run continues after its last epoch.

    Args:
        runs: the runs; runs with the same folder are one run.
        jobs: number of processes.
        report: receives a line for people when a run starts and when it ends.
        progress: called with the finished epochs and their total.
        start: starts `mner ARGUMENTS` with a log, and returns it with the methods of a `subprocess.Popen`.

    Returns:
        the outcome of each run, by its folder.

    Raises:
        KeyboardInterrupt: after the processes have ended; each keeps its finished epochs.
        InputError: a folder contains a run with another configuration.
    """
    named = {run.folder: run for run in reversed(runs)}
    folders = {run.folder: run.config for run in runs}
    outcomes = {folder: found for folder in folders if (found := outcome_of(folder)) is not None}
    waiting = [folder for folder in folders if folder not in outcomes]
    for folder in waiting:
        _prepare(folder, folders[folder])
    started: dict[Path, tuple[Any, float]] = {}
    total, number = len(waiting), 0

    def end(folder: Path, outcome: Outcome, seconds: float = 0) -> None:
        outcomes[folder] = outcome
        more = f": {outcome.message}" if outcome.message else ""
        if outcome.state == "finished":
            more = f", test F1 {Run(folder).metrics['test']['micro']['f1']:.2f}"
        report(f"{named[folder].title}: {outcome.state} in {seconds:,.0f} s{more}")

    try:
        while waiting or started:
            while waiting and len(started) < jobs:
                folder = waiting.pop(0)
                number += 1
                # Another table that shares the run may have trained it meanwhile.
                if (found := outcome_of(folder)) is not None:
                    end(folder, found)
                    continue
                arguments = ["train", os.fspath(folder / "config.toml"), "--out", os.fspath(folder), "--resume"]
                started[folder] = (start(arguments, folder / LOG), time.monotonic())
                report(f"[{number}/{total}] {named[folder].title}: training")
            for folder, (process, since) in list(started.items()):
                if process.poll() is not None:
                    del started[folder]
                    end(folder, _ended(folder, process.returncode), time.monotonic() - since)
            epochs = {folder: config.epochs for folder, config in folders.items() if folder not in waiting}
            done = sum(_finished_epochs(of) if of in started else number for of, number in epochs.items())
            progress(done, sum(config.epochs for config in folders.values()))
            time.sleep(0.1)
    finally:
        stop([process for process, _ in started.values()])
    return outcomes


def _finished_epochs(folder: Path) -> int:
    """Count the epochs that a run's log reports."""
    return sum(line.startswith(b"epoch ") for line in (folder / LOG).read_bytes().splitlines())


def _prepare(folder: Path, config: RunConfig) -> None:
    path = folder / "config.toml"
    if path.is_file():
        if RunConfig.load(path) != config:
            raise InputError("expected the configuration of this table's run, found another one", path)
        return
    folder.mkdir(parents=True, exist_ok=True)
    config.save(path)


def _ended(folder: Path, code: int) -> Outcome:
    if code == 0 and (folder / PROVENANCE).is_file():
        return Outcome("finished")
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
    message = lines[-1].removeprefix("error: ")
    if code == DIVERGED:
        (folder / _FAILED).write_text(message + "\n", encoding="utf-8")
        return Outcome("diverged", message)
    if code < 0:
        message = f"ended by {signal.Signals(-code).name}"
    return Outcome("failed", f"{message} ({folder / LOG})")


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


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a run should take: seconds after the start of its process, and megabytes of its folder."""

    seconds: float
    megabytes: float


def estimate(run: PlannedRun) -> Estimate:
    """Time the parts of a run that come once, a few steps and some tagging, and return what the whole should take.

    Raises:
        InputError: data, features, vectors or arguments that do not fit.
    """
    config, data = run.config, load_dataset(run.config.data)
    if not config.entry.is_keras:
        seconds = []
        for epochs in (1, 3):
            started = time.perf_counter()
            config.entry.load_class()(**config.all_arguments).fit(data["train"], data["dev"], epochs=epochs)
            seconds.append(time.perf_counter() - started)
        epoch = max(seconds[1] - seconds[0], 0) / 2
        return Estimate(seconds[0] + epoch * (config.epochs - 1), _SYSTEM_MEGABYTES)
    import keras

    from mner_keras.run.fit import TaggerFit

    keras.utils.clear_session()
    started = time.perf_counter()
    training, times = TaggerFit(config, data), []
    model, posts, reads = training.model, data["test"][:_TAGGED], {}
    if training.store is not None:
        reads["features"] = training.store

    def time_step(batch: int, logs: dict[str, Any] | None = None) -> None:
        # Reading the loss waits for the step.
        float((logs or {}).get("loss", 0.0))
        times.append(time.perf_counter())
        model.stop_training = len(times) >= _STEPS

    watch = keras.callbacks.LambdaCallback(on_train_batch_end=time_step)
    settings = {"batch_size": config.batch_size, "validation_data": data["dev"][:_TAGGED], "verbose": 0}
    model.fit(data["train"], features=training.store, callbacks=[watch], **settings)
    model.tag(posts, **reads)
    tagging = time.perf_counter()
    model.tag(posts, **reads)
    ended = time.perf_counter()
    gaps = [after - before for before, after in zip(times, times[1:], strict=False)][-_TIMED:]
    step = statistics.fmean(gaps) if gaps else 0.0
    # A step forward takes about a third of a step of training, and dev batches hold twice the posts.
    batches = math.ceil(len(data["train"]) / config.batch_size)
    steps = batches + math.ceil(len(data["dev"]) / max(config.batch_size, 32)) * 2 / 3
    once = ended - started - len(times) * step
    scored = (ended - tagging) * (len(data["dev"]) + len(data["test"])) / len(posts)
    slots = sum(math.prod(variable.shape) for variable in model.optimizer.variables)
    return Estimate(once + config.epochs * steps * step + scored, (2 * model.count_params() + slots) * _BYTES / 1e6)
