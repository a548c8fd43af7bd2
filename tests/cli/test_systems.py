"""Systems that are no Keras models, and BERT, by the same commands as every other model."""

import csv
import json
import shutil
import tomllib

import pytest
from PIL import Image

import mner_keras

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module")
def crf_run(mner, corpus, tmp_path_factory):
    """The folder and the output of a run, given settings that mean nothing to it."""
    pytest.importorskip("pycrfsuite")
    folder = tmp_path_factory.mktemp("runs") / "crf"
    vain = ["--vectors", "nowhere.txt", "--batch-size", 3, "--optimizer", "sgd", "--seed", 4]
    return folder, mner("train", "stanford-ner-like", "--data", corpus, "--epochs", 30, *vain, "--out", folder)


@pytest.fixture
def crf_copy(crf_run, tmp_path):
    return shutil.copytree(crf_run[0], tmp_path / "run")


def test_a_run_of_a_feature_crf(crf_run, corpus):
    folder, result = crf_run
    assert result.code == 0, result
    assert result.err == ("stanford-ner-like ignores `optimizer`, `batch_size`, `vectors`, `seed`\n")
    assert "best dev F1" not in result.out and "scores over entities, strict IOB2" in result.out
    names = {"config.toml", "history.csv", "metrics.json", "model.crf", "provenance.json"}
    assert names <= {path.name for path in folder.iterdir()}
    assert not (folder / "checkpoint").exists()
    # What means nothing to it is not written down.
    config = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
    assert config == {"format": 2, "model": "stanford-ner-like", "data": str(corpus), "epochs": 30, "arguments": {}}
    with open(folder / "history.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, len(rows) + 1)) and 1 < len(rows) <= 30
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["best_epoch"] == 0 and metrics["test"]["micro"]["f1"] > 50
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["parameters"] > 100 and provenance["seed"] is None
    assert "python-crfsuite" in provenance["versions"]


def test_its_folder_is_evaluated_and_tags(mner, crf_run, corpus, tmp_path):
    folder, _ = crf_run
    found = json.loads(mner("evaluate", folder, "--json").out)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert found["micro"] == metrics["test"]["micro"] and found["features"] is None
    named = mner("evaluate", folder / "model.crf", "--data", corpus, "--features", "regions.h5", "--json")
    assert json.loads(named.out)["types"] == metrics["test"]["types"]
    assert named.err == "the model does not read pictures: `--features` is ignored\n"
    tagged = mner("tag", folder, corpus / "test.jsonl")
    records = [json.loads(line) for line in tagged.out.splitlines()]
    model = mner_keras.load(folder / "model.crf")
    assert [tuple(record["tags"]) for record in records] == [t.tags for t in model.tag([r["tokens"] for r in records])]
    picture = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(picture)
    mner("tag", folder, corpus / "test.jsonl", "--pictures", picture).refused("the model reads the text alone")


def test_a_finished_run_is_not_trained_again(mner, crf_copy):
    before = (crf_copy / "model.crf").read_bytes()
    (crf_copy / "metrics.json").unlink()
    result = mner("train", crf_copy / "config.toml", "--out", crf_copy, "--resume")
    assert result.code == 0 and result.err == "already trained\n"
    assert (crf_copy / "model.crf").read_bytes() == before
    assert (crf_copy / "metrics.json").exists()


def test_an_interrupted_run_starts_over(mner, corpus, crf_run, tmp_path, monkeypatch):
    from mner_keras.baselines.feature_crf import FeatureCRF

    folder = tmp_path / "run"
    arguments = ["train", "stanford-ner-like", "--data", corpus, "--epochs", 30, "--out", folder]
    with monkeypatch.context() as patch:
        patch.setattr(FeatureCRF, "fit", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        result = mner(*arguments)
    assert result.code == 130 and "the same command with --resume starts over" in result.out
    assert not (folder / "model.crf").exists()
    result = mner(*arguments, "--resume")
    assert result.code == 0, result
    assert result.err == "no finished training in the folder: starting from the beginning\n"
    assert (folder / "metrics.json").read_text() == (crf_run[0] / "metrics.json").read_text()


def test_gazetteers_come_from_a_folder_and_stay_in_the_model(mner, corpus, tmp_path):
    pytest.importorskip("pycrfsuite")
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "city.txt").write_text("Rome\nNew York\n", encoding="utf-8")
    folder = tmp_path / "run"
    given = ["train", "t-ner-like", "--data", corpus, "--epochs", 5, "--out", folder]
    mner(*given, "--set", "gazetteers=nowhere").refused("nowhere: expected a folder of gazetteers")
    mner(*given, "--set", "gazetteer=x").refused("expected an argument of FeatureCRF", "Did you mean 'gazetteers'?")
    mner(*given, "--set", "l1=-1").refused("the model cannot be built: `l1` must be a number of at least 0")
    assert not folder.exists()
    assert mner(*given, "--set", f"gazetteers={lists}").code == 0
    shutil.rmtree(lists)
    assert mner_keras.load(folder / "model.crf").lists == {"city": {("rome",), ("new", "york")}}


def test_a_missing_extra_leaves_the_folder_as_it_was(mner, corpus, crf_copy, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pycrfsuite", None)
    names = sorted(crf_copy.iterdir())
    result = mner("train", "stanford-ner-like", "--data", corpus, "--out", crf_copy, "--overwrite")
    result.refused("a feature CRF needs python-crfsuite: pip install 'mner-keras[crf]'")
    assert sorted(crf_copy.iterdir()) == names
    mner("tag", crf_copy, corpus / "test.jsonl").refused("pip install 'mner-keras[crf]'")


def test_a_run_of_bert_ner(mner, corpus, tmp_path):
    pytest.importorskip("keras_hub")
    pytest.importorskip("safetensors")
    from tiny_bert import write_tiny_bert

    bert, _ = write_tiny_bert(tmp_path / "bert", layers=1)
    folder = tmp_path / "run"
    given = ["train", "bert-ner", "--data", corpus, "--epochs", 1, "--out", folder]
    mner(*given, "--set", "backbone=nowhere").refused("expected a text backbone: a preset of KerasHub, or a folder of")
    mner(*given, "--set", "backbone=3").refused(
        "the model cannot be built: expected str, bytes or os.PathLike object, not int"
    )
    result = mner(*given, "--set", f"backbone={bert}", "--vectors", "nowhere.txt", "--no-pictures")
    assert result.code == 0, result
    assert result.err.startswith("bert-ner ignores `no_pictures`, `vectors`\n")
    config = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
    assert config["arguments"] == {"backbone": str(bert)} and config["warmup"] == 0.1 and "vectors" not in config
    shutil.rmtree(bert)
    assert len(mner("tag", folder, corpus / "test.jsonl").out.splitlines()) == 12
