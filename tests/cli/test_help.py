"""`mner --help` reads as documentation and answers at once."""

import json
import resource
import subprocess
import sys

import pytest

FEATURES = [
    ["features"],
    ["features", "vgg16"],
    ["features", "mask-rcnn"],
    ["features", "import"],
    ["features", "info"],
]
DATA = [["data"], ["data", "check"], ["data", "fetch"], ["data", "realworld"]]
RUNS = [["compare"], ["reproduce-table"], ["figure"], ["report"], ["models"], ["demo"]]
COMMANDS = [[], ["train"], ["evaluate"], ["tag"], *RUNS, *DATA, *FEATURES]
RUN = "import sys; sys.argv[0] = 'mner'; from mner_keras.cli import main; main()"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(mner, command):
    result = mner(*command, "--help")
    assert result.code == 0
    assert "Usage: mner" in result.out
    assert len(result.out.split()) > 15
    assert result.err == ""


def test_a_paragraph_of_the_help_fills_the_lines_of_a_narrow_terminal(mner, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = mner("train", "--help").out
    lines = [line.strip() for line in text[text.index("The defaults are the paper's.") :].splitlines()]
    lines = lines[: lines.index("")]
    assert min(map(len, lines[:-1])) > 60


def test_help_names_every_command_and_says_what_it_does(mner):
    text = " ".join(mner("--help").out.split())
    assert "Multimodal named entity recognition" in text
    for name, summary in (("train", "Train a model"), ("evaluate", "Score a model"), ("tag", "Tag posts")):
        assert name in text
        assert summary in text
    assert "data" in text


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            "train",
            "--data --features --no-pictures --vectors --max-vectors --transductive --epochs --patience --batch-size "
            "--optimizer --learning-rate --seed --precision --set --out --overwrite --resume",
        ),
        ("evaluate", "--data --split --features --no-pictures --json"),
        ("tag", "--features --pictures --weights --format"),
        ("demo", "--pictures --weights --host --port --open"),
        ("figure", "--run --out --other --posts --split --pictures --data --features --count --seed"),
    ],
)
def test_every_option_stands_in_the_help(mner, command, options, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    text = mner(command, "--help").out
    for option in options.split():
        assert option in text


def test_without_a_command_the_help_is_shown(mner):
    result = mner()
    assert "Usage: mner" in result.out + result.err


def test_help_comes_within_half_a_second():
    def seconds():
        # Of the processor, since the machine may be busy with something else.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", RUN, "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert b"Usage: mner" in done.stdout
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(5)) < 0.5


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_imports_nothing_heavy(command):
    code = (
        "import json, sys\n"
        f"sys.argv = {['mner', *command, '--help']!r}\n"
        "from mner_keras.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = ('keras', 'tensorflow', 'jax', 'torch', 'numpy', 'scipy', 'h5py', 'nltk', 'sklearn', 'seqeval', "
        "'matplotlib', 'gradio')\n"
        "print(json.dumps([name for name in heavy if name in sys.modules]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr) == []


def test_an_unknown_option_or_command_ends_with_code_2(mner):
    for arguments in (["--nonsense"], ["trian"], ["train"], ["train", "text", "--epochs", "many"]):
        result = mner(*arguments)
        assert result.code == 2
        assert "Traceback" not in result.err
        assert result.err
