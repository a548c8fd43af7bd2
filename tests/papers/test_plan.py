"""What a table takes to train: a run per row and seed, shared where it is the same."""

import dataclasses

import pytest
from finished_runs import write_store

from mner_keras import registry
from mner_keras.data import load_dataset
from mner_keras.errors import InputError
from mner_keras.papers import find_table, load_published
from mner_keras.papers.plan import Setting, fast_settings, make_plan, run_name
from mner_keras.papers.published import PAPERS
from mner_keras.registry import find_model
from mner_keras.run.config import RunConfig

RESULTS = [table for paper in PAPERS for table in load_published(paper).tables if table.kind == "results"]


def plan(table, setting, out="out", rows=()):
    return make_plan(table, setting, load_dataset(setting.data), out, rows).runs


@pytest.mark.parametrize("table", RESULTS, ids=lambda table: f"{table.paper} {table.number}")
def test_every_row_of_every_table_has_a_run_with_its_registry_entry(table):
    runs = plan(table, Setting(seeds=2))
    assert {(run.row.key, run.seed) for run in runs} == {(row.key, seed) for row in table.rows for seed in (1, 2)}
    assert all(run.config.entry is find_model(run.row.model) for run in runs)
    assert table.reference["row"] in {row.key for row in table.rows}


def test_a_row_whose_extra_is_missing_is_noted_and_skipped(monkeypatch):
    monkeypatch.setattr(registry, "EXTRA_MODULES", {"backbones": ("no_such_module",), "crf": ()})
    found = make_plan(find_table("agban", 3), Setting(), load_dataset("sample"), "out", ["bert-ner", "t-ner"])
    assert [run.row.key for run in found.runs] == ["t-ner"]
    assert found.skipped == ("BERT-NER: skipped, needs no_such_module (pip install 'mner-keras[backbones]')",)


def test_the_papers_budget_is_each_systems_own():
    for run in plan(find_table("agban", 3), Setting(fast=False)):
        training = run.config.entry.training
        assert run.config.epochs == training.epochs
        if training.optimizer is not None:
            assert (run.config.optimizer, run.config.learning_rate) == (training.optimizer, training.learning_rate)
        assert run.config.transductive == (run.config.entry.settings is None)


def test_the_fast_budget_is_shorter_on_few_posts_and_stops_early_on_many():
    few, many = (fast_settings(find_model("agban"), posts) for posts in (300, 4_000))
    assert (few["epochs"], few["patience"]) == (8, 0) and (many["epochs"], many["patience"]) == (12, 2)
    assert fast_settings(find_model("bert-ner"), 300) == {"epochs": 2}
    assert fast_settings(find_model("bert-ner"), 4_000) == {}, "a fine-tuned model keeps its own training"


def test_tables_share_the_runs_that_are_the_same():
    folders = {
        (paper, number, run.row.key): run.folder
        for paper, number in (("agban", 3), ("agban", 5), ("agban", 6), ("hsn", 3), ("hsn", 5))
        for run in plan(find_table(paper, number), Setting())
    }
    agban = folders["agban", 3, "agban"]
    assert folders["agban", 5, "yes"] == folders["agban", 6, "top-3"] == agban
    assert folders["agban", 5, "no"] != agban
    assert folders["hsn", 5, "hsn"] == folders["hsn", 3, "hsn-crawl"] == folders["hsn", 3, "hsn-twitter"]
    # Rows are chosen by key or by model.
    runs = plan(find_table("agban", 3), Setting(seeds=3), rows=["stanford-ner-like", "agban"])
    assert {run.row.key for run in runs} == {"stanford-ner", "agban"}
    assert len({run.folder for run in runs if run.row.key == "stanford-ner"}) == 1
    assert len({run.folder for run in runs if run.row.key == "agban"}) == 3
    # A folder's name tells configurations apart, and not seeds.
    a, b = RunConfig.for_model("hsn"), RunConfig.for_model("hsn", epochs=7)
    assert run_name(a) != run_name(b)
    assert run_name(a).removesuffix("-seed1") == run_name(dataclasses.replace(a, seed=12)).removesuffix("-seed12")


def test_features_and_vectors_go_to_the_systems_that_read_them(tmp_path):
    for name in ("t.txt", "c.txt"):
        (tmp_path / name).touch()
    features = {kind: write_store(tmp_path / f"{kind}.h5", ["1"], kind) for kind in ("regions", "objects")}
    vectors = {"twitter": str(tmp_path / "t.txt"), "": str(tmp_path / "c.txt")}
    setting = Setting(features=features, vectors=vectors)
    agban = {run.row.key: run.config for run in plan(find_table("agban", 3), setting)}
    assert agban["vam"].features == features["regions"]
    assert agban["agban"].features == features["objects"]
    assert agban["cnn-bilstm-crf"].features == ""
    hsn = {run.row.key: run.config for run in plan(find_table("hsn", 3), setting)}
    assert hsn["hsn-twitter"].vectors == vectors["twitter"]
    assert hsn["hsn-crawl"].vectors == vectors[""]
    # Without pictures HSN still needs the store, whose blank picture it sees.
    (run,) = plan(find_table("hsn", 5), setting, rows=["hsn-without-vf"])
    assert (run.config.features, run.config.visual) == (features["regions"], None)


def test_arguments_reach_their_model_and_the_rows_own_come_first():
    setting = Setting(arguments={"agban": {"num_objects": 4, "rank": 7}, "hsn": {"gate": "feature"}})
    for run in plan(find_table("agban", 6), setting):
        assert run.config.arguments["rank"] == 7
        assert run.config.arguments.get("num_objects", 3) == int(run.row.key[-1])
    # An argument that undoes what the name stands for is kept.
    setting = Setting(arguments={"agban-gban": {"adversarial": True, "gate": True}})
    (run,) = plan(find_table("agban", 3), setting, rows=["agban-gban"])
    assert run.config.arguments == {"adversarial": True}


@pytest.mark.parametrize(
    ("setting", "rows", "message"),
    [
        (Setting(), ["hsn-without-fv"], "expected a row of hsn's table 5 .* Did you mean 'hsn-without-vf'"),
        (Setting(features={"regions": "no.h5"}), [], "no.h5: expected a feature store"),
        (Setting(vectors={"": "no.txt"}), [], "no.txt: expected a file of word vectors"),
        (Setting(precision="half"), [], "`precision` must be one of"),
        (Setting(arguments={"hsn": {"gat": "feature"}}), [], "an argument of HSN .* Did you mean 'gate'"),
    ],
)
def test_what_cannot_be_planned(setting, rows, message):
    with pytest.raises(InputError, match=message):
        plan(find_table("hsn", 5), setting, rows=rows)


def test_a_store_of_the_wrong_kind_is_refused(tmp_path):
    store = write_store(tmp_path / "o.h5", ["1"], "objects")
    with pytest.raises(InputError, match="expected a store of regions, found one of objects"):
        plan(find_table("hsn", 5), Setting(features={"regions": store}))
