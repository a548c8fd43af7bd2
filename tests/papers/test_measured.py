"""Measured next to published: from run folders with known predictions to every form of the table."""

import csv
import dataclasses
import io
import json
import os
import shutil
import statistics

import pytest
from finished_runs import finish_run, make_posts, predict, write_store

from mner_keras.data import Post, load_dataset, write_jsonl
from mner_keras.errors import InputError
from mner_keras.files import file_record
from mner_keras.papers import find_table
from mner_keras.papers.caveats import find_caveats
from mner_keras.papers.measured import build_table, cell_record, count_table, measure_table, read_table, settings_table
from mner_keras.papers.plan import DataIdentity, Setting, identify_dataset, make_plan
from mner_keras.papers.render import print_measured, row_names, to_csv, to_latex, to_markdown
from mner_keras.papers.runner import FINISHED, check_runs
from mner_keras.run.run import Run

RATES = {"hsn-without-mi": 0.7, "hsn-without-ha": 0.7, "hsn-without-mp": 0.5, "hsn-without-vf": 0.3, "hsn": 0.9}
TABLE = find_table("hsn", 5)
needs_tweets = pytest.mark.skipif("MNER_DATA" not in os.environ, reason="MNER_DATA names no folder with twitter2015")


def plan_of(table, setting, out, rows=()):
    """A plan with its caveats, for a made-up data set that counts as Twitter-2015."""
    data = load_dataset(setting.data)
    plan = make_plan(table, setting, data, out, rows)
    return dataclasses.replace(plan, caveats=find_caveats(plan, setting, data))


def finish(plan, setting, rate=lambda run: 1.0, **provenance):
    posts = load_dataset(setting.data)["test"]
    for run in plan.runs:
        if not run.folder.exists():
            finish_run(run.folder, run.config, predict(posts, rate(run), 10 * run.seed), **provenance)
    return plan


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for number, split in enumerate(("train", "dev", "test")):
        write_jsonl(folder / f"{split}.jsonl", make_posts(60, seed=number))
    return folder


@pytest.fixture(scope="module")
def setting(data):
    return Setting(data=str(data), seeds=3)


def one_run(folder, row, posts, predicted, table=TABLE):
    """The plan of one run on posts, finished with predictions."""
    for split in ("train", "dev", "test"):
        write_jsonl(folder / f"{split}.jsonl", posts)
    plan = plan_of(table, Setting(data=str(folder)), folder / "out", [row])
    finish_run(plan.runs[0].folder, plan.runs[0].config, predicted)
    return plan


@pytest.fixture(scope="module")
def plan(setting, tmp_path_factory):
    found = plan_of(TABLE, setting, tmp_path_factory.mktemp("out"))
    return finish(found, setting, lambda run: RATES[run.row.key])


@pytest.fixture(scope="module")
def measured(plan):
    return build_table(plan)


def row_of(measured, key):
    return next(row for row in measured["rows"] if row["key"] == key)


def cells_of(measured, key):
    return list(row_of(measured, key)["cells"].values())


def differences(measured):
    return [cell["difference"] for row in measured["rows"] for cell in row["cells"].values()]


def scores_of(plan, key):
    return [Run(run.folder).scores() for run in plan.runs if run.row.key == key]


def test_a_row_has_mean_deviation_and_its_comparison_with_the_best_system(measured, plan):
    assert measured["columns"] == ["precision", "recall", "overall F1"]
    for key in RATES:
        row, scores = row_of(measured, key), [found["micro"] for found in scores_of(plan, key)]
        assert row["seeds"] == [1, 2, 3]
        for cell, metric in zip(row["cells"].values(), ("precision", "recall", "f1"), strict=True):
            assert cell["mean"] == pytest.approx(statistics.fmean(score[metric] for score in scores))
            assert cell["standard_deviation"] == pytest.approx(statistics.stdev(score[metric] for score in scores))
    assert row_of(measured, "hsn")["comparison"] is None
    found = row_of(measured, "hsn-without-vf")["comparison"]
    ours, theirs = (cells_of(measured, key)[2]["mean"] for key in ("hsn", "hsn-without-vf"))
    assert found["difference"] == pytest.approx(ours - theirs)
    assert max(found["t_test"], found["bootstrap"]) < 0.05


def test_a_difference_needs_the_papers_data(measured, plan):
    assert set(differences(measured)) == {None}
    twitter = dataclasses.replace(plan, data=DataIdentity("umt", "Twitter-2015", {}))
    cell = cells_of(build_table(twitter), "hsn")[2]
    assert cell["difference"] == pytest.approx(cell["mean"] - 74.18)
    number = TABLE.find_number("hsn", "f1")
    for values, comparable, tolerance, within in (
        ((73.5, 74.0), True, 0.5, True),
        ((70.0,), True, 0.5, False),
        ((74.0,), True, None, None),
        ((74.0,), False, 5, None),
    ):
        assert cell_record(number, values, comparable, tolerance)["within_tolerance"] is within


def test_the_table_of_a_folder_is_built_again_from_its_runs(plan, measured, tmp_path):
    written = measure_table(tmp_path / "hsn-5", TABLE, plan=plan, tolerance=1.5)
    assert {cell["within_tolerance"] for row in written["rows"] for cell in row["cells"].values()} == {None}
    assert {**written, "tolerance": None} == measured
    again = read_table(tmp_path / "hsn-5")
    assert to_markdown(again) == to_markdown(written) == (tmp_path / "hsn-5" / "table.md").read_text()
    counted = measure_table(tmp_path / "agban-i", find_table("agban", 1))
    assert read_table(tmp_path / "agban-i") == counted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "expected a table of `mner reproduce-table`; No such file"),
        ("paper", "found a file that does not parse"),
        ('paper = "hsn"\n', "found one without 'table'"),
        ('paper = "hsn"\ntable = "5"\n', "found one without 'run'"),
    ],
)
def test_a_folder_that_is_no_table_is_refused(tmp_path, text, message):
    if text is not None:
        (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path)


# === What differs from the paper ===
def test_what_differs_is_told_before_anything_is_trained(data, tmp_path):
    caveats = "\n".join(plan_of(TABLE, Setting(data=str(data)), tmp_path).caveats)
    for part in (
        "none of the papers' data sets",
        "no features of pictures: hsn-without-mi, hsn-without-ha, hsn-without-mp, hsn trained without any",
        "word vectors: none; the paper's are 300-d fastText",
        "vocabulary: built over train, dev and test (`transductive`)",
        "training, budget 'fast': epochs 8, patience 0",
        "1 seed per system: no standard deviation, no t-test",
    ):
        assert part in caveats
    assert not list(tmp_path.iterdir())


def test_arguments_that_are_not_the_papers_are_told(data, tmp_path):
    setting = Setting(data=str(data), arguments={"hsn": {"gate": "feature", "num_heads": 8}, "agban": {"dropout": 0.1}})
    caveats = "\n".join(plan_of(TABLE, setting, tmp_path).caveats)
    assert "arguments that are not the paper's: gate = feature (hsn)" in caveats
    assert "num_heads" not in caveats
    # Dropout 0 is the row's own argument, and so the paper's.
    caveats = "\n".join(plan_of(find_table("agban", 5), setting, tmp_path).caveats)
    assert "arguments that are not the paper's: dropout = 0.1 (agban)" in caveats
    assert "dropout = 0.0" not in caveats


def test_the_backbone_is_told(data, tmp_path):
    setting = Setting(
        data=str(data), arguments={"bert-ner": {"backbone": "tiny"}, "agban": {"backbone": "roberta_base_en"}}
    )
    caveats = plan_of(find_table("agban", 3), setting, tmp_path).caveats
    assert "BERT-NER is fine-tuned from tiny; the paper's is cased BERT BASE" in caveats
    assert [line for line in caveats if line.startswith("arguments")] == [
        "arguments that are not the paper's: backbone = roberta_base_en (agban)"
    ]


def test_what_the_stores_lack_is_told(data, tmp_path):
    posts = [post for split in load_dataset(data).values() for post in split]
    images = sorted({post.image_id for post in posts if post.image_id is not None})
    lacking = sum(post.image_id == images[0] for post in posts)
    named = sum(post.image_id is not None for post in posts)
    features = {"objects": write_store(tmp_path / "o.h5", images[1:], "objects", "maskrcnn-agban", blank=False)}
    caveats = plan_of(find_table("agban", 6), Setting(data=str(data), features=features), tmp_path).caveats
    assert any(f"the store lacks {lacking} of the {named} pictures that the posts name" in line for line in caveats)
    assert "objects: no picture in the store has as many objects as top-4, top-5 read" in caveats
    assert not any("Mask R-CNN" in line or "blank" in line for line in caveats)
    for blank in (True, False):
        features = {"regions": write_store(tmp_path / f"{blank}.h5", images, "regions", "tiles", blank)}
        caveats = plan_of(TABLE, Setting(data=str(data), features=features), tmp_path).caveats
        assert "features (regions): tiles; the papers' are 49 regions of VGG16's last pooling layer" in caveats
        assert any("no blank picture" in line for line in caveats) != blank


def test_systems_whose_papers_say_otherwise_or_nothing(data, tmp_path):
    features = {"regions": write_store(tmp_path / "r.h5", ["0"], "regions", "vgg16")}
    setting = Setting(data=str(data), fast=False, features=features)
    caveats = plan_of(find_table("agban", 3), setting, tmp_path, ["t-ner", "vam", "adaptive-co-attention"]).caveats
    assert "features (regions) of vam: vgg16; its paper's are regions of ResNet" in caveats
    assert not any("adaptive-co-attention: vgg16" in line for line in caveats)
    assert "training: as each system's paper says, except for the following" in caveats
    assert any(line.startswith("training of adaptive-co-attention: RMSprop") for line in caveats)
    assert any(line.startswith("T-NER: no gazetteers") for line in caveats)
    assert "training: as each system's paper says" in plan_of(TABLE, setting, tmp_path, ["hsn"]).caveats


def test_runs_of_several_backends_are_told(data, tmp_path):
    setting = Setting(data=str(data), seeds=2)
    plan = plan_of(TABLE, setting, tmp_path, ["hsn"])
    for run, backend in zip(plan.runs, ("jax", "torch"), strict=True):
        finish_run(run.folder, run.config, predict(load_dataset(data)["test"], 1, 1), backend=backend)
    assert "the runs used several backends: jax, torch" in build_table(plan)["caveats"]


def test_data_sets_are_comparable_with_the_tables_of_their_kind(data):
    assert identify_dataset(load_dataset("sample")).name == "sample"
    assert identify_dataset(load_dataset(data)).description.endswith("none of the papers' data sets")
    real = DataIdentity("real-world", "", {})
    assert real.comparable(find_table("hsn", 4))
    assert not real.comparable(TABLE) and not DataIdentity("umt", "", {}).comparable(find_table("hsn", 4))


@needs_tweets
def test_twitter_2015_is_recognised_by_its_words_and_tags(tmp_path):
    data = load_dataset("twitter2015/original")
    splits = {split: list(data[split]) for split in ("train", "dev", "test")}

    def name_of(**changed):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for split, posts in {**splits, **changed}.items():
            write_jsonl(folder / f"{split}.jsonl", posts)
        return identify_dataset(load_dataset(folder)).name

    plain = [Post((f"w{number}", "Rome"), ("O", "B-LOC")) for number in range(6000)]
    added = {"train": plain[:3000], "dev": plain[3000:4000], "test": plain[4000:]}
    made = {split: [*splits[split], *posts] for split, posts in added.items()}
    assert name_of(train=splits["train"][::-1]) == "original"
    assert name_of(**made) == "real-world"
    # As many posts and entities, but not those of Twitter-2015.
    other = dataclasses.replace(splits["test"][0], tokens=("x", *splits["test"][0].tokens[1:]))
    assert name_of(test=[other, *splits["test"][1:]]) == "other"
    assert name_of(**{**made, "test": [other, *made["test"][1:]]}) == "other"


# === Files that changed since ===
def test_runs_of_posts_features_or_vectors_that_changed_since_are_refused(data, tmp_path):
    folder, vectors = shutil.copytree(data, tmp_path / "data"), tmp_path / "v.txt"
    vectors.write_text("a 1 2\n")
    store = write_store(tmp_path / "r.h5", ["0"], "regions")
    setting = Setting(data=str(folder), features={"regions": store}, vectors={"": str(vectors)})
    plan = plan_of(TABLE, setting, tmp_path, ["hsn"])
    finish(plan, setting, features=file_record(store), vectors=file_record(vectors))
    check_runs(plan.runs)
    vectors.write_text("a 2 1\n")
    with pytest.raises(InputError, match="expected .* the vectors .*v.txt changed since; another --out starts anew"):
        check_runs(plan.runs)
    write_store(store, ["0", "1"], "regions")
    with pytest.raises(InputError, match="the features .*r.h5 changed, the vectors"):
        check_runs(plan.runs)
    (folder / "dev.jsonl").write_text((folder / "dev.jsonl").read_text().replace("w0x0", "new"))
    with pytest.raises(InputError, match="the data .* changed, the features"):
        check_runs(plan.runs)
    os.remove(store)
    assert f"the features {store} changed" in Run(plan.runs[0].folder).changed_inputs()


# === Rows, columns, forms ===
def test_rows_of_one_name_are_told_apart_by_their_part(setting, tmp_path):
    measured = build_table(plan_of(find_table("hsn", 3), setting, tmp_path))
    assert "Twitter embeddings: HSN" in row_names(measured)
    assert len(set(row_names(measured))) == 6


def test_on_the_terminal_names_are_whole_and_rows_of_the_same_runs_are_joined(setting, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    plan = plan_of(find_table("hsn", 3), setting, tmp_path)
    print_measured({**build_table(finish(plan, setting, lambda run: 0.6)), "data": "sample"})
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert text.index("a demonstration") < text.index("on SAMPLE (3 seeds)") < text.index("What differs")
    lines = text[text.rindex("\nHSN\n") :].splitlines()[2:5]
    assert [line.split("  ")[1] for line in lines] == ["on SAMPLE (3 seeds)", "Twitter embeddings", "Crawl embeddings"]
    assert text.count("\nAdaptive Co-Attention Network\n") == 1


def test_a_row_per_metric_is_measured_in_its_metric(data, tmp_path):
    setting = Setting(data=str(data))
    plan = plan_of(find_table("agban", 4), setting, tmp_path)
    measured = build_table(finish(plan, setting, lambda run: 0.6 if run.row.model == "agban" else 0.4))
    assert measured["columns"] == ["PER", "LOC", "ORG", "MISC", "overall"]
    assert len({run.folder for run in plan.runs}) == 3
    scores = scores_of(plan, "agban")[0]
    for key, metric in (("agban-precision", "precision"), ("agban-recall", "recall"), ("agban", "f1")):
        row = row_of(measured, key)
        assert row["cells"]["overall"]["mean"] == scores["micro"][metric]
        assert row["cells"]["PER"]["mean"] == scores["types"]["PER"][metric]
        assert (row["comparison"] is None) == (metric != "f1")


def test_types_that_no_paper_has_get_columns_and_are_not_mixed(tmp_path):
    renamed = {"PER": "MISC", "LOC": "OTHER"}
    posts = [
        dataclasses.replace(p, tags=tuple(tag[:2] + renamed[tag[2:]] if tag != "O" else tag for tag in p.tags))
        for p in make_posts(30)
    ]
    found = [["O" if tag.endswith("OTHER") else tag for tag in post.tags] for post in posts]
    measured = build_table(one_run(tmp_path, "hsn-crawl", posts, found, find_table("hsn", 3)))
    cells = {name: cell["mean"] for name, cell in measured["rows"][0]["cells"].items()}
    assert list(cells) == ["PER F1", "LOC F1", "ORG F1", "MISC F1", "overall F1", "OTHER F1"]
    assert (cells["MISC F1"], cells["OTHER F1"], cells["LOC F1"]) == (100, 0, None)


def test_lenient_scores_open_entities_at_orphans(tmp_path):
    posts = make_posts(20)
    orphans = [tuple(tag.replace("B-", "I-") for tag in post.tags) for post in posts]
    plan = one_run(tmp_path, "hsn", posts, orphans)
    found = {scheme: cells_of(build_table(plan, scheme), "hsn")[2]["mean"] for scheme in ("strict", "lenient")}
    assert found == {"strict": 0, "lenient": 100}


def test_failed_runs_are_told_and_the_others_stay(plan):
    outcomes = {run.folder: FINISHED for run in plan.runs}
    folder = next(run.folder for run in plan.runs if run.row.key == "hsn" and run.seed == 2)
    measured = build_table(plan, outcomes={**outcomes, folder: "diverged: the loss is nan"})
    assert row_of(measured, "hsn")["seeds"] == [1, 3]
    assert row_of(measured, "hsn")["failures"] == ["seed 2 diverged: the loss is nan"]
    assert "HSN: seed 2 diverged: the loss is nan" in to_markdown(measured)
    assert row_of(measured, "hsn-without-vf")["comparison"]["seeds"] == 2


def test_markdown(measured, setting, tmp_path):
    text = to_markdown(measured)
    assert text.index("What differs") < text.index("| w/o MI |") < text.index("Against HSN")
    assert "| HSN | published | 74.92 | 73.45 | 74.18 |" in text
    cell = cells_of(measured, "hsn")[2]
    assert f"{cell['mean']:.2f}±{cell['standard_deviation']:.2f} |" in text
    # The paper's mark of significance is printed and explained.
    empty = build_table(plan_of(find_table("agban", 3), setting, tmp_path))
    assert "| published | 74.13 | 72.39 | 73.25* |" in to_markdown(empty)
    assert "- *: the paper's mark, better than Object-Concat" in to_markdown(empty)


def test_csv_latex_and_json(measured):
    rows = list(csv.DictReader(io.StringIO(to_csv(measured))))
    assert len(rows) == 15
    row = next(r for r in rows if (r["row"], r["column"]) == ("hsn", "overall F1"))
    assert (row["published"], row["source"], row["seeds"]) == ("74.18", "computed", "3")
    assert float(row["mean"]) == pytest.approx(cells_of(measured, "hsn")[2]["mean"])
    text = to_latex(measured)
    assert text.startswith("% HSN, table 5")
    assert text.count(r"\\") == 1 + 2 * 5
    body = [line for line in text.splitlines() if not line.startswith("%")]
    assert not set("±–‡") & set("\n".join(body))
    assert all(line.count("&") == 4 for line in body if line.endswith(r"\\"))
    found = json.loads(json.dumps(measured))
    assert found == measured and [row["key"] for row in found["rows"]] == list(RATES)
    assert len(found["rows"][0]["cells"]["overall F1"]["values"]) == 3
    assert (found["provenance"]["runs"], found["provenance"]["seconds"]) == (15, 30)


# === Tables that nothing is trained for ===
def counts(measured, key):
    return [cell["mean"] for cell in cells_of(measured, key)]


@needs_tweets
@pytest.mark.parametrize(
    ("name", "overall", "orgs"),
    [("original", [6176, 1546, 5078, 12800], [928, 247, 839]), ("umt", [6166, 1541, 5072, 12779], [927, 247, 839])],
)
def test_the_tables_of_counts(name, overall, orgs):
    data = load_dataset(f"twitter2015/{name}")
    assert identify_dataset(data).name == name
    measured = count_table(find_table("agban", 1), data)
    assert counts(measured, "overall") == overall
    assert counts(measured, "ORG")[:3] == orgs
    splits = [cell for row in measured["rows"] for cell in list(row["cells"].values())[:3]]
    assert any(cell["difference"] for cell in splits) == (name == "umt")
    assert ("The cleaned distribution differs" in to_markdown(measured)) == (name == "umt")
    assert sum("misprint" in note for note in measured["notes"]) == 5
    measured = count_table(find_table("hsn", 1), data)
    assert counts(measured, "twitter-sentences") == counts(measured, "twitter-images") == [4000, 1000, 3257]
    assert counts(measured, "twitter-entities") == overall[:3]
    assert counts(measured, "real-world-entities") == [None] * 3
    assert any("5072 is the test split of a later" in note for note in measured["notes"])


def test_the_sample_corpus_is_counted_and_not_compared():
    measured = count_table(find_table("agban", 1), load_dataset("sample"))
    assert set(differences(measured)) == {None}
    assert counts(measured, "overall")[3] == sum(counts(measured, "overall")[:3])
    assert "a demonstration" in measured["caveats"][0]


@pytest.mark.parametrize("paper", ["hsn", "agban"])
def test_the_defaults_are_those_of_the_settings_tables(paper):
    measured = settings_table(find_table(paper, 2))
    assert set(differences(measured)) == {0}
    assert "| default |" in to_markdown(measured)
