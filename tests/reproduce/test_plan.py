"""What a table takes to train: a run a system and seed, shared where it is the same."""

import h5py
import numpy as np
import pytest

from mner_keras.errors import InputError
from mner_keras.registry import MODELS, find_model
from mner_keras.reproduce import find_table, load_published
from mner_keras.reproduce.plan import Setting, fast_settings, plan, run_name
from mner_keras.reproduce.published import PAPERS
from mner_keras.reproduce.systems import columns_of, lines_of, systems_of
from mner_keras.run.config import RunConfig


def write_store(path, kind):
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = kind
        file["1"] = np.zeros((2, 3), "float32")


RESULTS = [table for paper in PAPERS for table in load_published(paper).tables if table.kind == "results"]


@pytest.mark.parametrize("table", RESULTS, ids=lambda table: f"{table.paper} {table.number}")
def test_every_number_of_a_table_stands_in_one_line_and_column(table):
    lines, columns = lines_of(table), columns_of(table)
    numbers = [number for line in lines for number in line.numbers.values()]
    assert sorted(n.value for n in numbers) == sorted(n.value for n in table.numbers())
    assert {key for line in lines for key in line.numbers} <= set(columns)
    assert all(number.model == line.system.model for line in lines for number in line.numbers.values())


@pytest.mark.parametrize("table", RESULTS, ids=lambda table: f"{table.paper} {table.number}")
def test_the_reference_is_a_system_of_the_table(table):
    assert table.reference.system in {system.key for system in systems_of(table)}
    assert table.reference.role in ("baseline", "best")


@pytest.mark.parametrize("table", RESULTS, ids=lambda table: f"{table.paper} {table.number}")
def test_every_system_of_every_table_has_a_run(table):
    missing = {system.model for system in systems_of(table)} - set(MODELS)
    assert not missing
    runs = plan(table, Setting(seeds=2), "out")
    assert {(run.system.key, run.seed) for run in runs} == {
        (system.key, seed) for system in systems_of(table) for seed in (1, 2)
    }


def test_the_papers_budget_is_each_systems_own():
    for run in plan(find_table("agban", 3), Setting(budget="paper"), "out"):
        training = find_model(run.config.model).training
        assert run.config.epochs == training.epochs
        if training.optimizer is not None:
            assert (run.config.optimizer, run.config.learning_rate) == (training.optimizer, training.learning_rate)
        assert run.config.transductive == (find_model(run.config.model).settings is None)


def test_the_fast_budget():
    hsn = fast_settings(find_model("hsn"), 4000)
    assert (hsn["optimizer"], hsn["learning_rate"], hsn["epochs"]) == ("adam", 0.003, 4)
    assert fast_settings(find_model("hsn"), 600)["epochs"] == 8
    assert fast_settings(find_model("stanford-ner-like"), 600) == {"epochs": 50}
    assert "optimizer" not in fast_settings(find_model("bert-ner"), 600)


def test_tables_share_the_runs_that_are_the_same():
    setting = Setting()
    folders = {
        (paper, number, run.system.key): run.folder
        for paper, number in (("agban", 3), ("agban", 5), ("agban", 6), ("hsn", 3), ("hsn", 5))
        for run in plan(find_table(paper, number), setting, "out")
    }
    agban = folders["agban", 3, "agban"]
    assert folders["agban", 5, "yes"] == folders["agban", 6, "top-3"] == agban
    assert folders["agban", 5, "no"] != agban
    assert folders["hsn", 5, "hsn"] == folders["hsn", 3, "hsn-crawl"] == folders["hsn", 3, "hsn-twitter"]


def test_a_system_without_a_seed_has_one_run():
    runs = plan(find_table("agban", 3), Setting(seeds=3), "out", ["stanford-ner", "agban"])
    assert len({run.folder for run in runs if run.system.key == "stanford-ner"}) == 1
    assert len({run.folder for run in runs if run.system.key == "agban"}) == 3


def test_features_and_vectors_go_to_the_systems_that_read_them(tmp_path):
    for name in ("t.txt", "c.txt"):
        (tmp_path / name).touch()
    write_store(tmp_path / "r.h5", "regions")
    write_store(tmp_path / "o.h5", "objects")
    features = {"regions": str(tmp_path / "r.h5"), "objects": str(tmp_path / "o.h5")}
    vectors = {"twitter": str(tmp_path / "t.txt"), "": str(tmp_path / "c.txt")}
    setting = Setting(features=features, vectors=vectors)
    agban = {run.system.key: run.config for run in plan(find_table("agban", 3), setting, "out")}
    assert agban["vam"].features == features["regions"]
    assert agban["agban"].features == features["objects"]
    assert agban["cnn-bilstm-crf"].features == ""
    hsn = {run.system.key: run.config for run in plan(find_table("hsn", 3), setting, "out")}
    assert hsn["hsn-twitter"].vectors == vectors["twitter"]
    assert hsn["hsn-crawl"].vectors == vectors[""]


def test_without_pictures_hsn_still_gets_the_store_whose_blank_picture_it_sees(tmp_path):
    write_store(tmp_path / "r.h5", "regions")
    setting = Setting(features={"regions": str(tmp_path / "r.h5")})
    (run,) = plan(find_table("hsn", 5), setting, "out", ["hsn-without-vf"])
    assert run.config.features == str(tmp_path / "r.h5")


def test_arguments_reach_their_model_and_the_rows_own_come_first():
    setting = Setting(arguments={"agban": {"num_objects": 4, "rank": 7}, "hsn": {"gate": "feature"}})
    for run in plan(find_table("agban", 6), setting, "out"):
        assert run.config.arguments["rank"] == 7
        assert run.config.arguments.get("num_objects", 3) == int(run.system.key[-1])


def test_an_argument_that_undoes_what_the_name_stands_for_is_kept():
    setting = Setting(arguments={"agban-gban": {"adversarial": True, "gate": True}})
    (run,) = plan(find_table("agban", 3), setting, "out", ["agban-gban"])
    assert run.config.arguments == {"adversarial": True}


def test_wrong_files_are_told_before_anything_is_trained(tmp_path):
    write_store(tmp_path / "o.h5", "objects")
    (tmp_path / "r.h5").write_text("no HDF5")
    for name, message in (
        ("o.h5", "expected a store of regions, found one of objects"),
        ("r.h5", "another kind of file"),
    ):
        with pytest.raises(InputError, match=message):
            plan(find_table("hsn", 5), Setting(features={"regions": str(tmp_path / name)}), "out")
    for split, line in (("train", "a\tB-X\n"), ("dev", "a\tB-X\n"), ("test", "no tag\n")):
        (tmp_path / f"{split}.txt").write_text(line)
    with pytest.raises(InputError, match="test.txt"):
        plan(find_table("hsn", 5), Setting(data=str(tmp_path), budget="paper"), "out")


def test_a_folders_name_tells_configurations_apart_and_not_seeds():
    a, b = RunConfig.for_model("hsn"), RunConfig.for_model("hsn", epochs=7)
    assert run_name(a) != run_name(b)
    assert run_name(a).removesuffix("-seed1") == run_name(RunConfig.for_model("hsn", seed=12)).removesuffix("-seed12")


@pytest.mark.parametrize(
    ("setting", "rows", "message"),
    [
        (Setting(), ["hsn-without-fv"], "expected a row of hsn's table 5 .* Did you mean 'hsn-without-vf'"),
        (Setting(seeds=0), [], "`seeds` must be at least 1, found 0"),
        (Setting(budget="fest"), [], "`budget` must be one of fast, paper, found 'fest'. Did you mean 'fast'"),
        (Setting(features={"regions": "no.h5"}), [], "no.h5: expected a store of regions"),
        (Setting(vectors={"": "no.txt"}), [], "no.txt: expected a file of word vectors"),
        (Setting(data="nowhere"), [], "expected `sample`, a folder"),
        (Setting(precision="half"), [], "`precision` must be one of"),
        (Setting(arguments={"hsn": {"gat": "feature"}}), [], "an argument of HSN .* Did you mean 'gate'"),
    ],
)
def test_what_cannot_be_planned(setting, rows, message):
    with pytest.raises(InputError, match=message):
        plan(find_table("hsn", 5), setting, "out", rows)
