"""A new system is one file and one entry: those of the page, added to a copy of the package."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "adding_a_system.md"
COMMANDS = {
    "crf": ["train", "small-crf", "--epochs", "6", "--learning-rate", "0.1", "--set", "word_dim=8"],
    "tag crf": ["tag", "crf"],
    "usual": ["train", "usual-tag", "--set", "lowercase=true"],
    "tag usual": ["tag", "usual"],
    "models": ["models"],
}
RUN = """
import json, sys
from typer.testing import CliRunner
from mner_keras.cli import app

outputs = {}
for name, arguments in json.loads(sys.argv[1]).items():
    done = CliRunner().invoke(app, arguments, input="aspirin plus p53\\n")
    if done.exit_code:
        raise SystemExit(f"{name}: {done.output}") from done.exception
    outputs[name] = done.stdout
print("outputs", json.dumps(outputs))
"""
POSTS = [
    "the B-GENE p53 protein binds B-DRUG aspirin",
    "B-DRUG aspirin I-DRUG plus lowers B-GENE BRCA1",
    "we gave B-DRUG aspirin and no B-GENE p53",
]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of the package with the page's two systems: nothing else of it is touched."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("mner_keras", "hsn_keras", "agban_keras"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("images", "__pycache__"))
    text = PAGE.read_text(encoding="utf-8")
    files = re.findall(r"^`(mner_keras/[\w/]+\.py)`:\n\n```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    entries = re.findall(r"^```toml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(files) == len(entries) == 2
    for path, content in files:
        assert not (folder / path).exists()
        (folder / path).write_text(content, encoding="utf-8")
    with open(folder / "mner_keras" / "registry.toml", "a", encoding="utf-8") as registry:
        registry.writelines(entries)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A tiny data set with entity types of its own."""
    folder = tmp_path_factory.mktemp("corpus")
    for split, times in (("train", 8), ("dev", 1), ("test", 1)):
        with open(folder / f"{split}.txt", "w", encoding="utf-8") as file:
            for number, post in enumerate(POSTS * times):
                file.write(f"IMGID:{split}{number}\n")
                tag = "O"
                for word in post.split():
                    if re.match("[BI]-", word):
                        tag = word
                    else:
                        file.write(f"{word}\t{tag}\n")
                        tag = "O"
                file.write("\n")
    return folder


@pytest.fixture(scope="module")
def outputs(package, corpus, tmp_path_factory):
    """What the commands print, all in one process, and the folder of their runs."""
    folder = tmp_path_factory.mktemp("runs")
    commands = {
        name: [*arguments, *(["--data", str(corpus), "--out", name] if arguments[0] == "train" else [])]
        for name, arguments in COMMANDS.items()
    }
    environment = {**os.environ, "PYTHONPATH": str(package), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", RUN, json.dumps(commands)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.rpartition("outputs ")[2]), folder


@pytest.mark.parametrize(("name", "file"), [("crf", "model.keras"), ("usual", "model.usual")])
def test_the_pages_systems_are_trained_evaluated_and_tag(outputs, name, file):
    printed, folder = outputs
    files = {path.name for path in (folder / name).iterdir()}
    assert {file, "config.toml", "metrics.json", "provenance.json"} <= files
    scores = json.loads((folder / name / "metrics.json").read_text())["test"]
    assert set(scores["types"]) == {"GENE", "DRUG"} and scores["micro"]["f1"] == 100
    entities = json.loads(printed[f"tag {name}"])["entities"]
    assert [(entity["text"], entity["type"]) for entity in entities][-1] == ("p53", "GENE")


def test_the_commands_know_them(outputs):
    text = outputs[0]["models"]
    assert re.search(r"^small-crf +words, characters, a CRF$", text, re.MULTILINE)
    assert re.search(r"^usual-tag +a word's usual tag$", text, re.MULTILINE)
