"""`mner train`: a run's folder, and running it again."""

import csv
import json
import tomllib

import pytest
from small_corpus import MISSING, SIZES, train_arguments

from mner_keras.run.run import entity_scores, read_predictions

pytestmark = pytest.mark.usefixtures("eagerly")


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("model", ["text", "agban"])
def test_the_runs_folder_holds_model_configuration_scores_history_and_provenance(runs, model):
    folder, result = runs(model)
    assert files(folder) == {
        "model.keras",
        "config.toml",
        "metrics.json",
        "predictions.jsonl",
        "history.csv",
        "provenance.json",
        "checkpoint/epoch-0002.weights.h5",
        "checkpoint/state.json",
    }
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["model"], metrics["scheme"]) == (model, "strict IOB2")
    assert metrics["best_epoch"] in (1, 2)
    for split in ("dev", "test"):
        assert metrics[split]["micro"]["support"] == SIZES[split]
        assert set(metrics[split]["types"]) == {"PER", "LOC"}
        for row in (metrics[split]["micro"], *metrics[split]["types"].values()):
            assert set(row) == {"precision", "recall", "f1", "support"}
            assert all(0 <= row[key] <= 100 for key in ("precision", "recall", "f1"))
    predictions = read_predictions(folder)
    assert entity_scores([p.tags for p in predictions], [p.predicted for p in predictions]) == metrics["test"]
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"loss", "val_loss", "val_f1"} <= set(rows[0])
    scores = [float(row["val_f1"]) for row in rows]
    assert metrics["best_epoch"] == 1 + scores.index(max(scores))
    assert metrics["dev"]["micro"]["f1"] == pytest.approx(max(scores), abs=1e-3)


def test_the_history_of_agban_holds_both_losses_by_epoch(agban_run):
    """The curves of the paper's figure 7."""
    with open(agban_run / "history.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    for row in rows:
        for prefix in ("", "val_"):
            crf, adversarial = float(row[prefix + "crf_loss"]), float(row[prefix + "adversarial_loss"])
            assert crf > 0
            assert adversarial > 0
            assert float(row[prefix + "loss"]) == pytest.approx(crf + adversarial, rel=1e-3)


def test_a_variant_trains_by_its_name_and_its_configuration_keeps_the_name(mner, corpus, tmp_path):
    run = tmp_path / "run"
    command = train_arguments("hsn", corpus, epochs=1)
    result = mner("train", "hsn-without-vf", *command[2:], "--out", run)
    assert result.code == 0, result
    assert "pictures: none" in result.err
    config = tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert config["model"] == metrics["model"] == "hsn-without-vf"
    assert config["arguments"]["hidden_dim"] == 16
    assert json.loads((run / "provenance.json").read_text(encoding="utf-8"))["features"] is None
    # Scored as it was trained, whatever pictures the data has.
    scores = json.loads(mner("evaluate", run, "--split", "dev", "--json").out)
    assert scores["features"] is None
    assert scores["micro"] == metrics["dev"]["micro"]


def test_the_provenance_says_where_the_numbers_come_from(agban_run, corpus):
    import keras

    from mner_keras.files import file_sha256

    record = json.loads((agban_run / "provenance.json").read_text(encoding="utf-8"))
    assert record["versions"]["keras"] == keras.__version__
    assert record["backend"] == keras.backend.backend()
    assert record["devices"]
    assert (record["precision"], record["seed"]) == ("float32", 1)
    assert record["data"]["name"] == "small"
    assert record["data"]["sha256"]["dev.jsonl"] == file_sha256(corpus / "dev.jsonl")
    store = corpus / "objects.h5"
    about = {"sha256": file_sha256(store), "bytes": store.stat().st_size, "mtime_ns": store.stat().st_mtime_ns}
    assert record["features"] == {"extractor": "made up", **about}
    assert record["vectors"] is None
    assert record["steps_per_epoch"] == SIZES["train"] // 5
    assert record["seconds"] > 0
    assert "git_commit" in record


def test_the_configuration_repeats_the_run(mner, text_run, tmp_path):
    out = tmp_path / "again"
    assert mner("train", text_run / "config.toml", "--out", out).code == 0
    for name in ("metrics.json", "config.toml", "history.csv"):
        assert (out / name).read_bytes() == (text_run / name).read_bytes(), name


def test_training_says_what_it_read_and_what_is_missing(runs, corpus):
    _, result = runs("agban")
    for split in ("train", "dev"):
        assert f"{split}: {MISSING[split]} posts name a picture missing from the store: treated as none" in result.err
    assert f"in {corpus / 'objects.h5'}" in result.err
    assert "treated as" not in runs("text")[1].err


def test_training_prints_a_line_an_epoch_and_the_scores(runs):
    folder, result = runs("text")
    assert "epoch 1/2  loss " in result.out
    assert "epoch 2/2  loss " in result.out
    assert "best dev F1 at epoch " in result.out
    assert f"run: {folder}" in result.out
    assert "strict IOB2" in result.out


# === What is refused, and that nothing is written over ===


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["text", "--optimizer", "adm"], ["an optimiser of Keras", "found 'adm'", "Did you mean 'adam'?"]),
        (["text", "--set", "hiden_dim=3"], ["TextTagger", "found 'hiden_dim'", "Did you mean 'hidden_dim'?"]),
        (["text", "--set", "hidden_dim"], ["expected --set NAME=VALUE, found 'hidden_dim'"]),
        (["text", "--set", "hidden_dim=many"], ["the model cannot be built"]),
        (["text", "--vectors", "VECTORS", "--set", "word_dim=50"], ["`word_dim` must be the width", ", 3. Received: "]),
        (["hsn", "--set", "num_heads=7"], ["the model cannot be built", "7"]),
        (["agban", "--epochs", "1", "--set", "num_objects=0"], ["num_objects"]),
        (["text", "--data", "nowhere"], ["found no 'nowhere'"]),
        (["agban", "--features", "nowhere.h5"], ["nowhere.h5: expected a feature store, found no such file"]),
        (["text", "--vectors", "nowhere.txt"], ["nowhere.txt: expected a file of word vectors, found no such file"]),
        (["text", "--overwrite", "--resume"], ["`--overwrite` and `--resume` exclude each other"]),
        (["text", "--resume"], ["expected a run to resume, found no config.toml"]),
    ],
    ids=lambda value: " ".join(value) if value[0].islower() else "",
)
def test_bad_input_is_refused_and_leaves_no_folder(mner, corpus, tmp_path, monkeypatch, arguments, parts):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "vectors.txt").write_text("the 1 2 3\n", encoding="utf-8")
    arguments = [str(tmp_path / "vectors.txt") if part == "VECTORS" else part for part in arguments]
    data = [] if "--data" in arguments else ["--data", corpus]
    mner("train", *arguments, *data, "--out", "new").refused(*parts)
    assert list((tmp_path / "empty").iterdir()) == []


def test_what_a_run_lacks_of_its_papers_setting_is_told_before_it_is_trained(corpus, tmp_path):
    from mner_keras.papers.caveats import training_caveats
    from mner_keras.run.config import RunConfig

    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.txt").write_text("a\tB-PER\n")
    lines = training_caveats(RunConfig.for_model("agban", data=str(tmp_path)))
    assert [line.partition(":")[0] for line in lines] == ["word vectors", "no features of pictures"]
    assert len(training_caveats(RunConfig.for_model("agban", data=str(tmp_path), no_pictures=True))) == 1
    assert len(training_caveats(RunConfig.for_model("text", data=str(tmp_path)))) == 1
    assert training_caveats(RunConfig.for_model("stanford-ner-like", data=str(tmp_path))) == []
    (line,) = training_caveats(RunConfig.for_model("agban", data=str(corpus), vectors="v.txt"))
    assert line.startswith("features (objects): ") and line.endswith("objects of Mask R-CNN trained on COCO")


@pytest.mark.parametrize(
    ("file", "content", "parts"),
    [
        ("test.txt", "", ["test.txt: expected posts, found an empty file"]),
        ("test.jsonl", '{"tokens": ["a"]}\n', ["test.jsonl: expected posts with tags, found post 1 without"]),
        ("train.jsonl", '{"tokens": ["a"], "tags": ["B-X"]}\n{"tokens": ["a"]}\n', ["train.jsonl: ", "post 2 without"]),
        ("train.txt", "a\tI-X\n", ["train.txt: expected IOB2", "IOB1: 1 entities open at an I- and 0 at a B-"]),
        ("dev.txt", "a\tB-Y\n", ["dev.txt: expected tags of X", "found B-Y", "--transductive"]),
    ],
)
def test_splits_that_do_not_serve_are_refused_before_training(mner, tmp_path, file, content, parts):
    for name in {"train", "dev", "test"} - {file.partition(".")[0]}:
        (tmp_path / f"{name}.txt").write_text("a\tB-X\n", encoding="utf-8")
    (tmp_path / file).write_text(content, encoding="utf-8")
    result = mner("train", "bilstm-crf", "--data", tmp_path, "--epochs", "1", "--out", tmp_path / "new")
    result.refused(*parts)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_not_empty_is_refused(mner, run_copy, corpus):
    before = contents(run_copy)
    mner("train", "text", "--data", corpus, "--out", run_copy).refused(
        f"{run_copy}: the run's folder is not empty", "--overwrite", "--resume"
    )
    assert contents(run_copy) == before


def test_a_folder_that_is_no_run_is_never_emptied_and_a_file_never_replaced(mner, tmp_path, corpus):
    kept = tmp_path / "letters"
    kept.mkdir()
    (kept / "letter.txt").write_text("dear", encoding="utf-8")
    mner("train", "text", "--data", corpus, "--out", kept, "--overwrite").refused(f"{kept}: ", "no config.toml")
    mner("train", "text", "--data", corpus, "--out", kept / "letter.txt", "--overwrite").refused(
        f"{kept / 'letter.txt'}: expected a folder for the run, found a file"
    )
    assert (kept / "letter.txt").read_text(encoding="utf-8") == "dear"


@pytest.mark.parametrize(
    "arguments",
    [
        ["text", "--set", "hiden_dim=3"],
        ["agban", "--features", "nowhere.h5"],
    ],
    ids=" ".join,
)
def test_overwriting_with_bad_input_keeps_the_old_run(mner, run_copy, corpus, arguments):
    before = contents(run_copy)
    mner("train", *arguments, "--data", corpus, "--out", run_copy, "--overwrite").refused()
    assert contents(run_copy) == before


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["text", "--seed", "2"], ["expected `seed` = 1 as the run has it, found 2"]),
        (["text", "--epochs", "9"], ["expected `epochs` = 2 as the run has it, found 9"]),
        (["hsn"], ["expected `model` = 'text' as the run has it, found 'hsn'"]),
        (["text", "--set", "hidden_dim=5"], ["expected `arguments` = "]),
    ],
    ids=["seed", "epochs", "model", "argument"],
)
def test_resuming_another_run_is_refused(mner, run_copy, arguments, parts):
    before = contents(run_copy)
    mner("train", *arguments, "--out", run_copy, "--resume").refused(run_copy / "config.toml", *parts)
    assert contents(run_copy) == before


def test_a_store_of_other_pictures_is_refused_before_training(mner, corpus, tmp_path):
    from small_corpus import OBJECT_WIDTH, OBJECTS, write_store

    path = tmp_path / "other.h5"
    write_store(path, ["somebody-else"], OBJECTS, OBJECT_WIDTH)
    result = mner(*train_arguments("agban", corpus), "--features", path, "--out", tmp_path / "new")
    result.refused(f"{path}: expected the pictures that the train posts name, found none of them", "'train-0'")
    assert not (tmp_path / "new").exists()


def test_few_posts_and_a_dev_set_without_an_entity_are_warned_of_before_training(tmp_path):
    from mner_keras.data import load_dataset
    from mner_keras.run.config import RunConfig
    from mner_keras.run.fit import TaggerFit

    row = '{"tokens": ["a"], "pos": ["DT"], "tags": ["%s"]}\n'
    for name, tag in (("train", "B-X"), ("dev", "O"), ("test", "B-X")):
        (tmp_path / f"{name}.jsonl").write_text(row % tag, encoding="utf-8")
    said = []
    config = RunConfig.for_model("text", data=str(tmp_path), arguments={"hidden_dim": 4, "word_dim": 4})
    TaggerFit(config, load_dataset(tmp_path), said.append)
    assert said == [
        "train: warning: 1 post; a model learns little from fewer than 200",
        "dev: warning: no post has an entity, so dev F1 is always 0 and no best epoch can be chosen",
    ]
