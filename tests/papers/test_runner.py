"""Runs as processes: none twice, none that takes the others with it."""

import dataclasses
import json
import os
import re
import signal
import sys
import threading
import time

import pytest

from mner_keras.data import load_dataset
from mner_keras.errors import InputError
from mner_keras.papers import find_table, runner
from mner_keras.papers.plan import Setting, make_plan

# Stands in for `mner train CONFIG --out FOLDER --resume`: notes that it ran, and ends as a file beside the runs says.
STUB = """
import os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
with open(folder.parent / "started", "a") as file:
    file.write(f"{folder.name} {os.getpid()}\\n")
wish = folder.parent / (folder.name + ".wish")
wish = wish.read_text() if wish.exists() else "finish"
print("epoch 1")
if wish == "diverge":
    print("error: the loss of epoch 2 is nan: training diverged", flush=True)
    sys.exit(3)
if wish == "fail":
    print("error: a feature CRF needs python-crfsuite")
    sys.exit(2)
if wish == "crash":
    os.kill(os.getpid(), signal.SIGKILL)
if wish == "wait":
    try:
        (folder / "waiting").touch()
        time.sleep(60)
    except KeyboardInterrupt:
        (folder / "interrupted").touch()
        sys.exit(130)
(folder / "metrics.json").write_text(METRICS)
(folder / "provenance.json").write_text("{}")
"""
SCORES = {"micro": {"precision": 70.0, "recall": 50.0, "f1": 60.586, "support": 9}, "types": {}}
METRICS = json.dumps({"dev": SCORES, "test": SCORES})


@pytest.fixture
def runs(tmp_path, monkeypatch):
    (tmp_path / "stub.py").write_text(STUB.replace("METRICS", repr(METRICS)))
    monkeypatch.setattr(runner, "COMMAND", (sys.executable, str(tmp_path / "stub.py")))
    return make_plan(find_table("hsn", 5), Setting(), load_dataset("sample"), tmp_path).runs


def wish(run, text):
    run.folder.parent.mkdir(exist_ok=True)
    (run.folder.parent / f"{run.folder.name}.wish").write_text(text)


def started(runs):
    path = runs[0].folder.parent / "started"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_run_is_trained_once_and_in_order(runs):
    lines, done = [], []
    outcomes = runner.run_all(runs, report=lines.append, progress=lambda *steps: done.append(steps))
    assert lines[0] == "[1/5] w/o MI, seed 1: training"
    assert re.fullmatch(r"w/o MI, seed 1: finished in \d+ s, test F1 60.59", lines[1])
    epochs = sum(run.config.epochs for run in runs)
    assert done == sorted(done) and done[-1] == (epochs, epochs)
    assert set(outcomes.values()) == {"finished"}
    assert started(runs) == [run.folder.name for run in runs]
    assert runner.run_all(runs).keys() == outcomes.keys()
    assert len(started(runs)) == len(runs)


def test_the_others_go_on_when_runs_diverge_fail_or_crash(runs):
    for run, what in zip(runs, ("diverge", "fail", "crash"), strict=False):
        wish(run, what)
    lines = []
    outcomes = runner.run_all(runs, report=lines.append)
    diverged, failed, crashed, *others = (outcomes[run.folder] for run in runs)
    assert diverged == "diverged: the loss of epoch 2 is nan: training diverged"
    assert failed.startswith("failed: a feature CRF needs python-crfsuite (")
    assert crashed.startswith("failed: ended by SIGKILL")
    assert others == ["finished", "finished"]
    assert any("diverged in" in line for line in lines)
    # What diverged is not tried again, and what failed is.
    for run in runs[1:3]:
        wish(run, "finish")
    assert list(runner.run_all(runs[:3]).values()) == [diverged, "finished", "finished"]
    assert [started(runs).count(run.folder.name) for run in runs[:3]] == [1, 2, 2]


def test_as_many_at_once_as_asked(runs):
    for run in runs[:2]:
        wish(run, "wait")
    thread = threading.Thread(target=lambda: runner.run_all(runs[:2], jobs=2), daemon=True)
    thread.start()
    wait_until(lambda: len(started(runs)) == 2)
    for line in (runs[0].folder.parent / "started").read_text().splitlines():
        os.kill(int(line.split()[1]), signal.SIGKILL)
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def hears_interrupts():
    """A test run in a shell's background ignores SIGINT, and what it starts would do so too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_interrupts")
def test_an_interrupt_ends_the_processes_politely_and_the_run_goes_on_later(runs):
    wish(runs[0], "wait")

    def report(line):
        # The interrupt of the keyboard comes while the first run is under way.
        if "[2/2]" in line:
            wait_until((runs[0].folder / "waiting").exists)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run_all(runs[:2], jobs=2, report=report)
    assert (runs[0].folder / "interrupted").exists()
    with pytest.raises(InputError, match="1 of the table's runs were interrupted"):
        runner.check_runs(runs[:1])
    runner.check_runs(runs[:1], resume=True)
    wish(runs[0], "finish")
    assert runner.run_all(runs[:1])[runs[0].folder] == "finished"


def test_a_folder_of_another_configuration_is_refused(runs):
    run = runs[0]
    run.folder.mkdir(parents=True)
    dataclasses.replace(run.config, epochs=99).save(run.folder / "config.toml")
    with pytest.raises(InputError, match=r"config.toml: expected the configuration of this table's run, found another"):
        runner.run_all([run])


def test_a_run_that_another_table_finished_meanwhile_is_not_repeated(runs):
    run, other = runs[:2]

    def report(line):
        if "training" in line:
            (other.folder / "metrics.json").write_text(METRICS)
            (other.folder / "provenance.json").write_text("{}")

    assert runner.run_all([run, other], report=report)[other.folder] == "finished"
    assert started(runs) == [run.folder.name]
