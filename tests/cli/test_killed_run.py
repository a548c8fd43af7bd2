"""A training process that is killed leaves whole files, and `--resume` goes on as if nothing had happened."""

import json
import signal
import subprocess
import sys
import time

import h5py
import pytest
from small_corpus import SETTINGS, SMALL

RUN = "import sys; sys.argv[0] = 'mner'; from mner_keras.cli import main; main()"
EPOCHS = 40


def start(corpus, out, *more):
    settings = {"epochs": EPOCHS, "patience": 0, **SETTINGS["text"]}
    options = [part for key, value in settings.items() for part in (f"--{key.replace('_', '-')}", str(value))]
    sets = [part for key, value in SMALL["text"].items() for part in ("--set", f"{key}={value}")]
    command = [sys.executable, "-c", RUN, "train", "text", "--data", str(corpus), "--out", str(out)]
    return subprocess.Popen(
        [*command, *options, *sets, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in a shell's background ignores SIGINT, and what it starts would do so too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finished_epochs(folder):
    try:
        return len(json.loads((folder / "checkpoint" / "state.json").read_text(encoding="utf-8"))["history"])
    except FileNotFoundError:
        return 0


def wait_for(process, folder, epochs):
    deadline = time.monotonic() + 300
    while finished_epochs(folder) < epochs:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_as_the_run_that_was_not_killed(corpus, tmp_path):
    from mner_keras.models import load

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start(corpus, whole)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    for more in ([], ["--resume"]):
        process = start(corpus, killed, *more)
        wait_for(process, killed, finished_epochs(killed) + 2)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        done = finished_epochs(killed)
        assert 0 < done < EPOCHS
        # What is there is whole.
        assert load(killed / "model.keras").preprocessor.types == ["LOC", "PER"]
        state = json.loads((killed / "checkpoint" / "state.json").read_text(encoding="utf-8"))
        with h5py.File(killed / "checkpoint" / state["weights"]) as file:
            assert file.keys()
        assert not (killed / "metrics.json").exists()
    process = start(corpus, killed, "--resume")
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert "resuming after epoch" in errors
    for name in ("history.csv", "metrics.json", "config.toml"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for another process")
def test_an_interrupted_run_says_how_to_go_on(corpus, tmp_path):
    out = tmp_path / "run"
    # So many that a machine with much else to do does not end the run before the signal comes.
    process = start(corpus, out, "--epochs", "5000")
    wait_for(process, out, 2)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "--resume" in printed
    assert "Traceback" not in errors
