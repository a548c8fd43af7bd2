"""`mner evaluate`: scores of a run or of a model file."""

import json
import shutil

import pytest
from small_corpus import MISSING, OBJECTS, SIZES, write_store


def scores(result):
    assert result.code == 0, result
    return json.loads(result.out)


@pytest.mark.parametrize("model", ["text", "agban"])
def test_the_scores_of_a_run_are_those_of_its_metrics(mner, runs, model):
    folder, _ = runs(model)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    record = scores(mner("evaluate", folder, "--json"))
    assert {key: record[key] for key in ("micro", "types")} == metrics["test"]
    assert set(record["micro"]) == {"precision", "recall", "f1", "support"}
    assert (record["split"], record["posts"], record["scheme"]) == ("test", SIZES["test"], "strict IOB2")
    record = scores(mner("evaluate", folder, "--split", "dev", "--json"))
    assert {key: record[key] for key in ("micro", "types")} == metrics["dev"]


def test_a_model_file_is_scored_like_its_run(mner, agban_run, corpus, tmp_path):
    alone = shutil.copy(agban_run / "model.keras", tmp_path / "alone.keras")
    by_file = scores(mner("evaluate", alone, "--data", corpus, "--json"))
    by_run = scores(mner("evaluate", agban_run, "--json"))
    assert by_file["features"] == by_run["features"] == str(corpus / "objects.h5")
    for record in (by_file, by_run):
        record.pop("model")
    assert by_file == by_run


def test_missing_pictures_are_counted_and_printed(mner, agban_run, corpus):
    assert scores(mner("evaluate", agban_run, "--json"))["missing_pictures"] == MISSING["test"]
    printed = mner("evaluate", agban_run).out
    assert f"pictures: {corpus / 'objects.h5'}, {MISSING['test']} missing" in printed
    assert "precision" in printed
    without = scores(mner("evaluate", agban_run, "--no-pictures", "--json"))
    assert (without["features"], without["missing_pictures"]) == (None, 0)


def test_features_may_come_from_another_store(mner, agban_run, tmp_path):
    from small_corpus import OBJECT_WIDTH

    path = tmp_path / "other.h5"
    write_store(path, ["somebody-else"], OBJECTS, OBJECT_WIDTH)
    record = scores(mner("evaluate", agban_run, "--features", path, "--json"))
    assert record["features"] == str(path)
    assert record["missing_pictures"] > MISSING["test"]


def test_an_unknown_split_is_refused(mner, text_run):
    mner("evaluate", text_run, "--split", "tset").refused("found 'tset'", "Did you mean 'test'?")


def test_features_of_another_width_are_refused(mner, agban_run, corpus):
    path = corpus / "regions.h5"
    mner("evaluate", agban_run, "--features", path).refused(f"{path}: expected features of width 6, found 8")


def test_features_that_are_no_hdf5_are_refused(mner, agban_run, tmp_path):
    path = tmp_path / "features.h5"
    path.write_text("no HDF5", encoding="utf-8")
    mner("evaluate", agban_run, "--features", path).refused(f"{path}: expected a feature store (HDF5)")


def test_a_run_without_a_model_is_refused(mner, tmp_path):
    mner("evaluate", tmp_path).refused(f"{tmp_path}: expected a run with a model.keras or a model.crf, found none")


def test_posts_without_tags_are_refused(mner, text_run, tmp_path):
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.jsonl").write_text('{"tokens": ["a"], "pos": ["DT"]}\n', encoding="utf-8")
    mner("evaluate", text_run, "--data", tmp_path).refused("expected posts with tags")
