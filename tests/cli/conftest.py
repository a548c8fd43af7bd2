"""The command run inside the process, on runs that are trained once."""

import contextlib
import dataclasses
import io
import shutil
import sys
from pathlib import Path

import pytest


@dataclasses.dataclass
class Result:
    """What the command left behind."""

    code: int
    out: str
    err: str

    def refused(self, *parts):
        """Bad input: exit code 2, nothing printed, a message of two lines at most that holds the parts."""
        assert self.code == 2, self
        assert "Traceback" not in self.err
        message = self.err[self.err.index("error: ") :].removesuffix("\n")
        assert message.count("\n") <= 1, message
        for part in parts:
            assert str(part) in message, message
        return message

    def misused(self, *parts):
        """An option with a wrong value: exit code 2, and typer's message, which holds the parts."""
        assert self.code == 2, self
        assert "Traceback" not in self.err
        message = " ".join(self.err.replace("│", " ").split())
        for part in parts:
            assert str(part) in message, message


def run_main(*arguments, stdin=b""):
    """`mner ARGUMENTS` by its entry point; an error that it does not answer for is raised here."""
    from mner_keras.cli import main

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n") for _ in range(2))
    kept = sys.argv, sys.stdin
    sys.argv, sys.stdin = ["mner", *map(str, arguments)], io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    code = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.argv, sys.stdin = kept
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8"))
    return Result(code, *texts)


@pytest.fixture(scope="session")
def mner():
    return run_main


@pytest.fixture(scope="session")
def runs(mner, corpus, tmp_path_factory):
    """The folder and the output of a run of two epochs, by model; the tests must not change the folder."""
    from eager import run_eagerly
    from small_corpus import train_arguments

    done = {}

    def get(model):
        if model not in done:
            folder = tmp_path_factory.mktemp("runs") / model
            with run_eagerly():
                done[model] = folder, mner(*train_arguments(model, corpus), "--out", folder)
            assert done[model][1].code == 0, done[model][1]
        return done[model]

    return get


@pytest.fixture
def text_run(runs):
    return runs("text")[0]


@pytest.fixture
def agban_run(runs):
    return runs("agban")[0]


@pytest.fixture
def run_copy(text_run, tmp_path):
    """A run that a test may change."""
    return Path(shutil.copytree(text_run, tmp_path / "run"))
