"""The code of README and docs/ runs as it stands, as far as a test can; what cannot run says why."""

import importlib.util
import os
import re
import shlex
import shutil
from pathlib import Path

import keras
import pytest
import typer.main
from PIL import Image
from typer.testing import CliRunner

from mner_keras import load_dataset
from mner_keras.cli import app
from mner_keras.data import write_jsonl
from mner_keras.errors import InputError
from mner_keras.text import TaggerDataMissing

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))]
COMMANDS = typer.main.get_command(app)

# What a block's code says, and what a test puts in its place: less training, and files that are there. The Python code
# of README runs as it is.
INSTEAD = {
    'load_dataset("sample")': 'load_dataset("tiny")',
    "epochs=12": "epochs=1",
    "--data sample": "--data tiny",
    "--epochs 12": "--data tiny --epochs 1",
    "--epochs 20": "--epochs 1",
    "mner_keras/data/sample/images": "pictures",
    "data.pictures()": "__import__('pathlib').Path('pictures')",
    "--pictures FOLDER": "--pictures pictures",
}

# Commands that no test runs, by how they begin, and why. Of those that begin with `mner`, the options are checked.
NOT_RUN = {
    "python -m venv": "installs",
    ". .venv/bin/activate": "installs",
    "pip install": "installs",
    "curl": "asks a running demo",
    "mner demo": "serves until it is ended; tests of its own drive it",
    "mner reproduce-table": "trains for minutes; the tests of tables and a notebook run it",
    "mner report runs/reproduction": "reads finished tables and runs; it has tests of its own",
    "mner features vgg16": "downloads weights",
    "mner features mask-rcnn": "downloads weights",
    "mner features backbone": "downloads weights",
    "mner features words": "reads word vectors that the package does not hold",
    "mner features info twitter2015": "reads data that the package may not hold",
    "mner data fetch": "downloads data",
    "mner features import twitter2015": "reads data that the package may not hold",
    "mner doctor": "trains for seconds; it has a test of its own",
    "mner train hsn --data twitter2015": "reads data that the package may not hold",
    "mner train agban --data twitter2015": "reads data that the package may not hold",
    "mner tag runs/agban-twitter2015-1": "reads data that the package may not hold",
    "KERAS_BACKEND=torch mner train": "needs another backend; the tests are run on it, too",
    "mner train MODEL": "reads data that the package may not hold",
    "mner train stanford-ner-like --data twitter2015": "reads data that the package may not hold",
    "mner train t-ner-like --data twitter2015": "reads data that the package may not hold",
    "mner train hsn --data FOLDER": "reads data of the user's",
    "mner train text --data FOLDER": "reads data of the user's",
    "mner train agban --data FOLDER": "reads data of the user's",
    "mner data realworld": "reads data that the package may not hold",
    "mner data convert conll2002.txt": "reads data of the user's",
}

# What the text around a block says to do before it, by how the block begins.
BEFORE = {
    ("docs/export.md", "mner export"): "mner train text --data tiny --epochs 1 --out runs/text-sample-1",
    (
        "docs/features.md",
        "from mner_keras import load\n",
    ): "mner train hsn --data tiny --features colours.h5 --epochs 1 --out runs/colours",
    # Instead of an annotator.
    ("docs/labelling.md", "mner data split labelled.json"): "mner data convert tiny/dev.jsonl labelled.json",
}

# Pages whose code another test runs.
ELSEWHERE = {"docs/adding_a_system.md": "tests/test_adding_a_system.py"}


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page):
    """Language and code of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


def commands(code):
    """The commands of a block for a shell, without comments."""
    for line in code.replace("\\\n", " ").splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        yield from filter(None, (part.strip() for part in line.split("&&")))


def reason(command):
    return next((why for start, why in NOT_RUN.items() if command.startswith(start)), None)


def check_options(command):
    """The command exists, and so do its options; placeholders may stand for values."""
    words = shlex.split(command)
    words = words[words.index("mner") + 1 :]
    found = COMMANDS
    while words and words[0] in getattr(found, "commands", {}):
        found = found.commands[words.pop(0)]
    assert not hasattr(found, "commands") or not words, f"no such command: {command}"
    known = {
        name for option in found.params for name in (*option.opts, *option.secondary_opts) if name.startswith("-")
    } | {"--help"}
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert options <= known, f"{command}: no option {', '.join(options - known)}"


def run_command(command):
    """One `mner` command inside the process, with `echo ... |` before it as its input."""
    said, pipe, rest = command.rpartition(" | ")
    words = shlex.split(rest)
    assert words[0] == "mner", f"a command that is neither run nor listed with a reason: {command}"
    given = " ".join(shlex.split(said)[1:]) + "\n" if pipe else None
    result = CliRunner().invoke(app, words[1:], input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """What a reader has at hand: a small data set, posts, pictures, a store; the place where the page is followed."""
    place = tmp_path_factory.mktemp("reader")
    sample = load_dataset("sample")
    (place / "tiny").mkdir()
    for split, count in (("train", 40), ("dev", 15), ("test", 15)):
        posts = [post for post in sample[split] if len(post) == 8][:count]
        write_jsonl(place / "tiny" / f"{split}.jsonl", posts)
    shutil.copy(place / "tiny" / "test.jsonl", place / "posts.jsonl")
    for kind in ("regions", "objects"):
        shutil.copy(sample.features(kind), place / "tiny" / f"{kind}.h5")
    shutil.copy(sample.features("regions"), place / "regions.h5")
    shutil.copytree(sample.folder / "images", place / "pictures")
    (place / "tiny" / "images").symlink_to(place / "pictures")
    with Image.open(sorted((place / "pictures").iterdir())[0]) as picture:
        picture.convert("RGB").save(place / "benz.jpg")
    return place


@pytest.mark.slow
@pytest.mark.usefixtures("models_stay_open")
@pytest.mark.parametrize("page", [page for page in PAGES if page not in ELSEWHERE and blocks(page)])
def test_the_code_of_a_page_runs_from_top_to_bottom(page, reader, monkeypatch, request):
    monkeypatch.chdir(reader)
    if page != "README.md":  # which trains long enough for a graph
        request.getfixturevalue("eagerly")
    keras.utils.set_random_seed(0)
    names = {}
    for number, (language, code) in enumerate(blocks(page), 1):
        needs = re.match(r"# needs: pip install (\S+)", code)
        if needs and importlib.util.find_spec(needs.group(1).replace("-", "_")) is None:
            continue
        if (page, language) != ("README.md", "python"):
            for told, done in INSTEAD.items():
                code = code.replace(told, done)
        for (where, start), command in BEFORE.items():
            if page == where and code.startswith(start):
                run_command(command)
        if language == "python":
            try:
                exec(compile(code, f"{page}, block {number}", "exec"), names)
            except TaggerDataMissing as missing:
                assert "NLTK_DATA" not in os.environ, missing
        elif language == "bash":
            for command in commands(code):
                if reason(command) is None:
                    run_command(command)
                elif "mner " in command:
                    check_options(command)
    if page == "README.md":
        assert names["model"].history.history["val_f1"][-1] > 0.5, "as the page says"


def test_every_reason_not_to_run_a_command_is_that_of_some_command():
    written = [
        command for page in PAGES for language, code in blocks(page) if language == "bash" for command in commands(code)
    ]
    for start in NOT_RUN:
        assert any(command.startswith(start) for command in written), f"no command begins with {start!r} any more"


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_commands_within_the_text_exist_and_have_their_options(page):
    for command in re.findall(r"`(mner [^`]+)`", re.sub(r"^```.*?^```$", "", text_of(page), flags=re.M | re.S)):
        for part in re.split(r" && | \| ", command):
            if part.startswith("mner ") and "*" not in part:
                check_options(part)


def test_the_code_that_another_test_runs_is_run_there():
    for page, test in ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8")


def test_a_command_or_an_option_that_does_not_exist_is_found_out():
    check_options("mner train hsn --epochs 5")
    for wrong in ("mner trian hsn", "mner train hsn --epoch 5", "mner data chekc sample"):
        with pytest.raises(AssertionError):
            check_options(wrong)
    with pytest.raises(InputError):
        run_command("mner train hns")


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_documentation_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text_of(page)):
        if "://" not in target:
            assert (ROOT / page).parent.joinpath(target).exists(), target
