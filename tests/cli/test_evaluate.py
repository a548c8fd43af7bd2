"""`mner evaluate`: scores of a run or of a model file."""

import json
import shutil

import pytest
from small_corpus import MISSING, OBJECT_WIDTH, OBJECTS, SIZES, make_records, write_store

pytestmark = pytest.mark.usefixtures("eagerly", "models_stay_open")


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
    path = tmp_path / "other.h5"
    write_store(path, ["somebody-else", "test-0.jpg"], OBJECTS, OBJECT_WIDTH)
    record = scores(mner("evaluate", agban_run, "--features", path, "--json"))
    assert record["features"] == str(path)
    assert record["missing_pictures"] > MISSING["test"]


def test_a_store_of_other_pictures_is_refused(mner, agban_run, tmp_path):
    path = tmp_path / "other.h5"
    write_store(path, ["somebody-else"], OBJECTS, OBJECT_WIDTH)
    named = sum(record["image"] is not None for record in make_records("test"))
    mner("evaluate", agban_run, "--features", path).refused(
        f"{path}: expected the pictures that the posts name, found none of them ({named} posts, ", "'test-0'"
    )


def test_iob1_is_refused(mner, text_run, tmp_path):
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.txt").write_text("a\tI-PER\n", encoding="utf-8")
    mner("evaluate", text_run, "--data", tmp_path).refused("found IOB1: 1 entities open at an I- and 0 at a B-")


def test_posts_without_tags_are_refused(mner, text_run, tmp_path):
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.jsonl").write_text('{"tokens": ["a"], "pos": ["DT"]}\n', encoding="utf-8")
    mner("evaluate", text_run, "--data", tmp_path).refused("expected posts with tags")
