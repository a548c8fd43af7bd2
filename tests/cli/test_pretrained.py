"""The tagger inside the package: small, right on a plain sentence, and as its card says."""

import json
import socket
from importlib import resources

from typer.testing import CliRunner

from mner_keras import load
from mner_keras.cli import app
from mner_keras.files import file_sha256

FOLDER = resources.files("mner_keras") / "pretrained"
SENTENCE = "Barack Obama visited Paris with people from Microsoft"
ANSWER = "[PER Barack Obama] visited [LOC Paris] with people from [ORG Microsoft]\n"


def test_a_sentence_is_tagged_without_a_download(no_tagger_data, monkeypatch):
    def no_network(*arguments):
        raise AssertionError(f"a connection to {arguments[1:]}")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    answer = CliRunner().invoke(app, ["tag", "pretrained", "--format", "text"], input=SENTENCE)
    assert (answer.exit_code, answer.stdout) == (0, ANSWER)
    model = load("pretrained")
    assert model.preprocessor.types == ["LOC", "ORG", "PER"]
    assert not model.preprocessor.use_pos and model.preprocessor.visual is None


def test_a_file_of_this_name_comes_first(tmp_path, monkeypatch, text_run):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pretrained").symlink_to(text_run)
    assert load("pretrained").preprocessor.types != ["LOC", "ORG", "PER"]


def test_the_file_is_small_and_the_card_gives_its_scores():
    metrics = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))
    assert (FOLDER / "tagger.keras").stat().st_size < 12e6
    assert metrics["sha256"]["tagger.keras"] == file_sha256(FOLDER / "tagger.keras")
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name, title in (("btc", "Broad Twitter Corpus"), ("twitter2015", "Twitter-2015, PER, LOC and ORG")):
        numbers = [metrics[name]["micro"][key] for key in ("precision", "recall", "f1")]
        numbers += [metrics[name]["types"][kind]["f1"] for kind in ("PER", "LOC", "ORG")]
        assert f"| {title} | {' | '.join(f'{number:.2f}' for number in numbers)} |" in card
