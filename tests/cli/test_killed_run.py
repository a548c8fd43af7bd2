"""A training process that is killed leaves whole files, and `--resume` goes on as if nothing had happened."""

import json
import signal
import subprocess
import sys
import time

import h5py
import pytest
from small_corpus import SETTINGS, SMALL

from mner_keras.models import load

RUN = "import sys; sys.argv[0] = 'mner'; from mner_keras.cli import main; main()"
EPOCHS = 8


def arguments(corpus, out, *more):
    settings = {"epochs": EPOCHS, "patience": 0, **SETTINGS["text"]}
    options = [part for key, value in settings.items() for part in (f"--{key.replace('_', '-')}", str(value))]
    sets = [part for key, value in SMALL["text"].items() for part in ("--set", f"{key}={value}")]
    return ["train", "text", "--data", str(corpus), "--out", str(out), *options, *sets, *more]


def finished_epochs(folder):
    try:
        return len(json.loads((folder / "checkpoint" / "state.json").read_text(encoding="utf-8"))["history"])
    except FileNotFoundError:
        return 0


def end_after_two_epochs(command, folder, number):
    """Start a process, send it a signal after two more epochs, and return it with what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in a shell's background ignores SIGINT, and what it starts would do so too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline, epochs = time.monotonic() + 300, finished_epochs(folder) + 2
    while finished_epochs(folder) < epochs:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(number)
    return process, *process.communicate(timeout=300)


def check_whole_files(folder):
    assert 0 < finished_epochs(folder) < EPOCHS
    assert load(folder / "model.keras").preprocessor.types == ["LOC", "PER"]
    state = json.loads((folder / "checkpoint" / "state.json").read_text(encoding="utf-8"))
    with h5py.File(folder / "checkpoint" / state["weights"]) as file:
        assert file.keys()
    assert not (folder / "metrics.json").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for another process")
def test_a_killed_and_an_interrupted_run_go_on_and_end_as_the_run_that_was_left_alone(mner, corpus, tmp_path):
    whole, ended = tmp_path / "whole", tmp_path / "ended"
    process, _, _ = end_after_two_epochs(arguments(corpus, ended), ended, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    check_whole_files(ended)
    process, printed, errors = end_after_two_epochs(arguments(corpus, ended, "--resume"), ended, signal.SIGINT)
    assert process.returncode == 130, errors
    assert "--resume" in printed
    assert "resuming after epoch" in errors
    assert "Traceback" not in errors
    check_whole_files(ended)
    assert mner(*arguments(corpus, ended, "--resume")).code == 0
    assert mner(*arguments(corpus, whole)).code == 0
    for name in ("history.csv", "metrics.json", "config.toml"):
        assert (ended / name).read_bytes() == (whole / name).read_bytes(), name
