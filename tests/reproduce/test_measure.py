"""Measured beside published: from run folders with known predictions to every form of the table."""

import csv
import io
import json
import statistics

import h5py
import numpy as np
import pytest
from finished_runs import finish_run, make_posts, predict

from mner_keras.data import load_dataset, write_jsonl
from mner_keras.errors import InputError
from mner_keras.reproduce import find_table
from mner_keras.reproduce.measure import check_finished, measure
from mner_keras.reproduce.plan import Setting, plan
from mner_keras.reproduce.render import to_csv, to_latex, to_markdown
from mner_keras.reproduce.runner import Outcome
from mner_keras.run.scores import entity_scores

RATES = {"hsn-without-mi": 0.7, "hsn-without-ha": 0.7, "hsn-without-mp": 0.5, "hsn-without-vf": 0.3, "hsn": 0.9}
TABLE = find_table("hsn", 5)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for number, split in enumerate(("train", "dev", "test")):
        write_jsonl(folder / f"{split}.jsonl", make_posts(60, seed=number))
    return folder


@pytest.fixture(scope="module")
def setting(data):
    return Setting(data=str(data), seeds=3)


@pytest.fixture(scope="module")
def runs(setting, data, tmp_path_factory):
    runs = plan(TABLE, setting, tmp_path_factory.mktemp("out"))
    posts = load_dataset(data)["test"]
    for run in runs:
        predicted = predict(posts, RATES[run.system.key], 10 * run.seed + len(run.system.key))
        if not run.folder.exists():
            finish_run(run.folder, run.config, predicted, features={"extractor": "tiles", "sha256": "f" * 64})
    return runs


@pytest.fixture(scope="module")
def outcomes(runs):
    return {run.folder: Outcome(run.folder, "finished") for run in runs}


@pytest.fixture(scope="module")
def result(setting, runs, outcomes):
    return measure(TABLE, setting, runs, outcomes)


def line_of(result, key):
    return next(line for line in result.lines if line.key == key)


def scores_of(runs, key):
    from mner_keras.run.predictions import read_predictions

    found = []
    for run in runs:
        if run.system.key == key:
            rows = read_predictions(run.folder)
            found.append(entity_scores([r.tags for r in rows], [r.predicted for r in rows])["micro"])
    return found


def test_mean_and_deviation_over_seeds(result, runs):
    assert result.columns[:3] == ("precision", "recall", "overall F1")
    for key in RATES:
        line, scores = line_of(result, key), scores_of(runs, key)
        assert line.seeds == (1, 2, 3)
        for cell, metric in zip(line.cells, ("precision", "recall", "f1"), strict=True):
            assert cell.mean == pytest.approx(statistics.fmean(score[metric] for score in scores))
            assert cell.deviation == pytest.approx(statistics.stdev(score[metric] for score in scores))


def test_no_difference_is_taken_on_other_data(result):
    assert all(cell.difference is None for line in result.lines for cell in line.cells)
    assert any("none of the papers' data sets" in line for line in result.differs)


def test_the_best_system_is_tested_against_the_others(result, runs):
    assert line_of(result, "hsn").comparison is None
    found = line_of(result, "hsn-without-vf").comparison
    ours, theirs = ([s["f1"] for s in scores_of(runs, key)] for key in ("hsn", "hsn-without-vf"))
    assert found.difference == pytest.approx(statistics.fmean(ours) - statistics.fmean(theirs))
    assert found.t_test < 0.05
    assert found.bootstrap < 0.05


def test_what_differs_is_told(result):
    text = "\n".join(result.differs)
    for part in (
        "features (regions): tiles; the papers' are 49 regions of VGG16's last pooling layer",
        "word vectors: none; the paper's are 300-d fastText",
        "training, budget 'fast': epochs 8, patience 0",
        "3 seeds a system",
    ):
        assert part in text


def finish(table, setting, out, rows=(), rate=1.0, **provenance):
    """A table whose runs are all finished, without training."""
    runs = plan(table, setting, out, rows)
    posts = load_dataset(setting.data)["test"]
    for number, run in enumerate(runs):
        finish_run(run.folder, run.config, predict(posts, rate, number), **provenance)
    return measure(table, setting, runs, {run.folder: Outcome(run.folder, "finished") for run in runs})


def test_arguments_that_are_not_the_papers_are_told(data, tmp_path):
    setting = Setting(data=str(data), arguments={"hsn": {"gate": "feature", "num_heads": 8}, "agban": {"dropout": 0.1}})
    differs = "\n".join(finish(TABLE, setting, tmp_path).differs)
    assert "arguments that are not the paper's: gate = feature (hsn)" in differs
    assert "num_heads" not in differs
    # Dropout 0 is the row's own argument, and so the paper's.
    differs = "\n".join(finish(find_table("agban", 5), setting, tmp_path).differs)
    assert "arguments that are not the paper's: dropout = 0.1 (agban)" in differs
    assert "dropout = 0.0" not in differs


def test_what_the_stores_lack_is_told(data, tmp_path):
    posts = [post for split in load_dataset(data).values() for post in split]
    images = sorted({post.image_id for post in posts if post.image_id is not None})
    with h5py.File(tmp_path / "objects.h5", "w") as file:
        for image in images[1:]:
            file[image] = np.zeros((3, 4), "float32")
    lacking = sum(post.image_id == images[0] for post in posts)
    named = sum(post.image_id is not None for post in posts)
    setting = Setting(data=str(data), features={"objects": str(tmp_path / "objects.h5")})
    store = {"extractor": "maskrcnn-agban", "sha256": "f" * 64}
    differs = finish(find_table("agban", 6), setting, tmp_path, features=store).differs
    assert any(f"the store lacks {lacking} of the {named} pictures that the posts name" in line for line in differs)
    assert "objects: no picture of the store has as many as are read in top-4, top-5" in differs
    assert not any("Mask R-CNN" in line for line in differs)


def test_the_row_that_is_meant_to_see_no_picture_is_not_told_of(data, tmp_path):
    differs = "\n".join(finish(TABLE, Setting(data=str(data)), tmp_path, ["hsn-without-vf", "hsn"]).differs)
    assert "no features of pictures: hsn trained without any" in differs


def test_systems_whose_papers_say_otherwise_or_nothing(data, tmp_path):
    rows = ["t-ner", "vam", "adaptive-co-attention"]
    table, store = find_table("agban", 3), {"extractor": "vgg16", "sha256": "f" * 64}
    setting = Setting(data=str(data), budget="paper")
    differs = finish(table, setting, tmp_path, rows, features=store).differs
    assert "features (regions) of vam: vgg16; its paper's are regions of ResNet" in differs
    assert not any("adaptive-co-attention: vgg16" in line for line in differs)
    assert "training: as each system's paper says, but for those that follow" in differs
    assert any(line.startswith("training of adaptive-co-attention: RMSprop") for line in differs)
    assert any(line.startswith("T-NER: no gazetteers") for line in differs)
    differs = finish(TABLE, setting, tmp_path, ["hsn"]).differs
    assert "training: as each system's paper says" in differs


def test_the_comparison_tells_lines_of_one_name_apart(data, tmp_path):
    result = finish(find_table("hsn", 3), Setting(data=str(data)), tmp_path, rate=0.5)
    against = to_markdown(result).partition("Against CNN + BiLSTM + CRF")[2]
    names = [line.split(" | ")[0] for line in against.splitlines() if "[" in line]
    assert len(set(names)) == len(names) == 5


def test_the_papers_mark_of_significance_is_printed_and_explained(data, tmp_path):
    table = find_table("agban", 3)
    result = measure(table, Setting(data=str(data)), plan(table, Setting(data=str(data)), tmp_path), {})
    text = to_markdown(result)
    assert "| published | 74.13 | 72.39 | 73.25* |" in text
    assert "| published | 74.09 | 69.73 | 71.85 |" in text
    assert "- *: the paper's mark, better than Object-Concat" in text
    assert "% *: the paper's mark" in to_latex(result)


def test_markdown_holds_differences_before_the_numbers(result):
    text = to_markdown(result)
    assert text.index("What differs") < text.index("| w/o MI |") < text.index("Against HSN")
    assert "| HSN | published | 74.92 | 73.45 | 74.18 |" in text
    cell = line_of(result, "hsn").cells[2]
    assert f"{cell.mean:.2f} ± {cell.deviation:.2f} |" in text
    assert "reproduced" not in text


def test_csv_has_a_row_a_number(result):
    rows = list(csv.DictReader(io.StringIO(to_csv(result))))
    assert len(rows) == 15
    row = next(r for r in rows if (r["row"], r["column"]) == ("hsn", "overall F1"))
    assert (row["published"], row["source"], row["seeds"]) == ("74.18", "computed", "3")
    assert float(row["mean"]) == pytest.approx(line_of(result, "hsn").cells[2].mean)


def test_latex_holds_the_differences_as_comments_and_no_raw_signs(result):
    text = to_latex(result)
    assert text.startswith("% HSN, table 5")
    assert text.count(r"\\") == 1 + 2 * 5
    body = [line for line in text.splitlines() if not line.startswith("%")]
    assert not set("±–‡") & set("\n".join(body))
    assert all(line.count("&") == 4 for line in body if line.endswith(r"\\"))


def test_json_is_complete(result):
    found = json.loads(json.dumps(result.to_json()))
    assert [line["key"] for line in found["lines"]] == list(RATES)
    assert len(found["lines"][0]["cells"]["overall F1"]["values"]) == 3
    assert found["provenance"]["runs"] == 15
    assert found["provenance"]["seconds"] == 30


def test_failed_runs_are_told_and_the_rest_stands(setting, runs, outcomes):
    folder = next(run.folder for run in runs if run.system.key == "hsn" and run.seed == 2)
    changed = {**outcomes, folder: Outcome(folder, "diverged", "the loss is nan")}
    result = measure(TABLE, setting, runs, changed)
    line = line_of(result, "hsn")
    assert line.seeds == (1, 3)
    assert line.failures == ("seed 2 diverged: the loss is nan",)
    assert "HSN: seed 2 diverged: the loss is nan" in to_markdown(result)
    assert line_of(result, "hsn-without-vf").comparison.seeds == 2


def test_types_of_the_data_that_no_paper_has_get_columns(setting, tmp_path):
    posts = [
        type(p)(p.tokens, tuple(tag.replace("LOC", "DISEASE") for tag in p.tags), image_id=p.image_id)
        for p in make_posts(30)
    ]
    for split in ("train", "dev", "test"):
        write_jsonl(tmp_path / f"{split}.jsonl", posts)
    table, there = find_table("hsn", 3), Setting(data=str(tmp_path))
    runs = plan(table, there, tmp_path / "out", ["hsn-crawl"])
    finish_run(runs[0].folder, runs[0].config, [post.tags for post in posts])
    result = measure(table, there, runs, {runs[0].folder: Outcome(runs[0].folder, "finished")})
    cells = dict(zip(result.columns, result.lines[0].cells, strict=True))
    assert list(cells) == ["PER F1", "LOC F1", "ORG F1", "MISC F1", "overall F1", "DISEASE F1"]
    assert cells["DISEASE F1"].mean == cells["PER F1"].mean == 100
    assert cells["LOC F1"].mean is None


def test_a_type_of_the_papers_name_is_not_mixed_with_the_one_that_stands_for_it(tmp_path):
    renamed = {"PER": "MISC", "LOC": "OTHER"}
    posts = [
        type(p)(p.tokens, tuple(tag[:2] + renamed[tag[2:]] if tag != "O" else tag for tag in p.tags))
        for p in make_posts(30)
    ]
    for split in ("train", "dev", "test"):
        write_jsonl(tmp_path / f"{split}.jsonl", posts)
    table, setting = find_table("hsn", 3), Setting(data=str(tmp_path))
    runs = plan(table, setting, tmp_path / "out", ["hsn-crawl"])
    found = [["O" if tag.endswith("OTHER") else tag for tag in post.tags] for post in posts]
    finish_run(runs[0].folder, runs[0].config, found)
    result = measure(table, setting, runs, {runs[0].folder: Outcome(runs[0].folder, "finished")})
    cells = dict(zip(result.columns, result.lines[0].cells, strict=True))
    assert cells["MISC F1"].mean == 100
    assert cells["OTHER F1"].mean == 0


def test_runs_of_data_that_changed_since_are_refused(setting, runs, data):
    check_finished(setting, runs)
    path = data / "dev.jsonl"
    text = path.read_text()
    try:
        path.write_text(text.replace("w0x0", "new"))
        with pytest.raises(InputError, match="as it is now, found one on other files: the data changed since"):
            check_finished(setting, runs)
    finally:
        path.write_text(text)


def test_lenient_scores_open_entities_at_orphans(tmp_path):
    posts = make_posts(20)
    for split in ("train", "dev", "test"):
        write_jsonl(tmp_path / f"{split}.jsonl", posts)
    setting = Setting(data=str(tmp_path))
    runs = plan(TABLE, setting, tmp_path / "out", ["hsn"])
    orphans = [tuple(tag.replace("B-", "I-") for tag in post.tags) for post in posts]
    finish_run(runs[0].folder, runs[0].config, orphans)
    done = {runs[0].folder: Outcome(runs[0].folder, "finished")}
    found = {
        scheme: measure(TABLE, setting, runs, done, scheme).lines[0].cells[2].mean for scheme in ("strict", "lenient")
    }
    assert found == {"strict": 0, "lenient": 100}


def test_lines_of_one_name_are_told_apart_by_their_part(setting, tmp_path):
    table = find_table("hsn", 3)
    result = measure(table, setting, plan(table, setting, tmp_path), {})
    names = [line.split(" | ")[0] for line in to_markdown(result).splitlines() if "| published |" in line]
    assert "| Twitter embeddings: HSN" in names
    assert len(set(names)) == len(names) == 6
