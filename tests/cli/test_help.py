"""`mner --help` reads as documentation and answers at once."""

import json
import resource
import subprocess
import sys

import pytest
from typer.main import get_command

from mner_keras.cli import app

GROUPS = get_command(app).commands
COMMANDS = [[], *([name] for name in GROUPS)]
COMMANDS += [[name, part] for name, group in GROUPS.items() for part in getattr(group, "commands", {})]
RUN = "import sys; sys.argv[0] = 'mner'; from mner_keras.cli import main; main()"
ALL = """
import contextlib, io, json, sys
from mner_keras.cli import main

heavy = "keras tensorflow jax torch numpy scipy h5py nltk sklearn seqeval matplotlib gradio".split()
found = []
for command in json.loads(sys.argv[1]):
    sys.argv, out, err = ["mner", *command, "--help"], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.suppress(SystemExit):
        main()
    imported = [name for name in heavy if name in sys.modules]
    found.append({"out": out.getvalue(), "err": err.getvalue(), "imported": imported})
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def helps():
    """What the help of each command says, and what it imported: one process for all."""
    code = [sys.executable, "-c", ALL, json.dumps(COMMANDS)]
    done = subprocess.run(code, capture_output=True, text=True, check=True)
    return dict(zip(map(tuple, COMMANDS), json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_imports_nothing_heavy(helps, command):
    found = helps[tuple(command)]
    assert "Usage: mner" in found["out"]
    assert len(found["out"].split()) > 15
    assert (found["err"], found["imported"]) == ("", [])


def test_a_paragraph_of_the_help_fills_the_lines_of_a_narrow_terminal(mner, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = mner("train", "--help").out
    lines = [line.strip() for line in text[text.index("The defaults are the paper's.") :].splitlines()]
    lines = lines[: lines.index("")]
    assert min(map(len, lines[:-1])) > 60


def test_help_names_every_command_and_says_what_it_does(mner):
    text = " ".join(mner("--help").out.split())
    assert "Multimodal named entity recognition" in text
    for part in (*GROUPS, "Train a model", "Score a model", "Tag posts"):
        assert part in text
    # Without a command the help is shown.
    assert "[OPTIONS] COMMAND" in mner().out


def test_help_comes_within_half_a_second():
    def seconds():
        # Of the processor, since the machine may be busy with something else.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", RUN, "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert b"Usage: mner" in done.stdout
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(5)) < 0.5


def test_an_unknown_option_or_command_ends_with_code_2(mner):
    for arguments in (["--nonsense"], ["trian"], ["train"], ["train", "text", "--epochs", "many"]):
        result = mner(*arguments)
        assert result.code == 2
        assert "Traceback" not in result.err
        assert result.err
