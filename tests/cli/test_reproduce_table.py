"""`mner reproduce-table` and `mner compare` as a user meets them."""

import csv
import json
import sys
from pathlib import Path

import pytest
from finished_runs import finish_run
from small_corpus import SMALL

from mner_keras.run.config import RunConfig
from mner_keras.run.run import Run


@pytest.fixture(scope="module")
def table(mner, corpus, tmp_path_factory):
    """A row of HSN's table 5, two seeds, on the small corpus."""
    out = tmp_path_factory.mktemp("reproduction")
    arguments = ["reproduce-table", "hsn", "5", "--data", corpus, "--budget", "fast", "--seeds", "2", "--jobs", "2"]
    arguments += ["--rows", "hsn", "--out", out]
    arguments += [part for k, v in SMALL["hsn"].items() for part in ("--set", f"hsn.{k}={v}")]
    return arguments, out, mner(*arguments)


@pytest.mark.slow
def test_a_table_is_trained_and_printed_and_never_trained_again(mner, table):
    arguments, out, result = table
    assert result.code == 0, result
    assert result.err.count(": training") == 2
    assert "measured (2 seeds)" in result.out
    assert "What differs from the paper's setting" in result.out
    assert result.err.index("differences from") < result.err.index(": training")
    names = ["plan.toml", "table.csv", "table.json", "table.md", "table.tex"]
    assert sorted(path.name for path in (out / "hsn-5").iterdir()) == names
    record = json.loads((out / "hsn-5" / "table.json").read_text(encoding="utf-8"))
    assert [row["key"] for row in record["rows"]] == ["hsn"]
    assert len(list((out / "runs").iterdir())) == 2
    before = {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*")}
    again = mner(*arguments, "--json")
    assert again.code == 0
    assert "training" not in again.err
    assert json.loads(again.out)["rows"] == record["rows"]
    assert {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*")} == before


@pytest.mark.slow
def test_compare_groups_seeds_and_shows_where_runs_differ(mner, table, corpus, tmp_path):
    _, out, _ = table
    runs = sorted((out / "runs").iterdir())
    for run in runs:
        config = RunConfig.load(run / "config.toml")
        other = RunConfig.for_model("text", data=str(corpus), seed=config.seed)
        runs = [*runs, finish_run(tmp_path / str(config.seed), other, [post.tags for post in Run(run).dataset["test"]])]
    result = mner("compare", *runs, "--posts", "2")
    assert result.code == 0, result
    assert "1, 2" in result.out
    assert "against hsn" in result.out
    found = json.loads(mner("compare", *runs, "--json").out)
    assert [(system["name"], len(system["runs"])) for system in found["systems"]] == [("hsn", 2), ("text", 2)]
    f1 = [[scores["micro"]["f1"] for scores in system["scores"].values()] for system in found["systems"]]
    record = json.loads((out / "hsn-5" / "table.json").read_text(encoding="utf-8"))
    assert sum(f1[0]) / 2 == pytest.approx(record["rows"][0]["cells"]["overall F1"]["mean"])
    assert f1[1] == [100, 100]


@pytest.mark.slow
def test_an_interrupted_table_asks_for_resume(mner, table, tmp_path, monkeypatch):
    from mner_keras.papers import runner

    def interrupt(runs, jobs, report, progress, start):
        raise KeyboardInterrupt

    arguments, out, _ = table
    run = next((out / "runs").iterdir())
    (run / "provenance.json").rename(tmp_path / "kept")
    monkeypatch.setattr(runner, "run_all", interrupt)
    mner(*arguments).refused("1 of the table's runs were interrupted", run.name, "--resume continues")
    again = mner(*arguments, "--resume")
    assert again.code == 130
    assert "the same command with --resume continues" in again.out
    (tmp_path / "kept").rename(run / "provenance.json")


@pytest.mark.slow
def test_a_dry_run_times_steps_and_trains_nothing(mner, corpus, tmp_path):
    result = mner(
        *("reproduce-table", "agban", "3", "--data", corpus, "--seeds", "3", "--dry-run", "--out", tmp_path / "out"),
        *("--rows", "stanford-ner,cnn-bilstm-crf", "--budget", "fast"),
    )
    assert result.code == 0, result
    assert "4 runs to train: about" in result.out
    assert "MB" in result.out
    assert "differences from the paper's setting" in result.err and "timing cnn-bilstm-crf" in result.err
    assert not (tmp_path / "out").exists()


def test_a_dry_run_goes_on_past_a_row_that_cannot_be_trained(mner, tmp_path, monkeypatch):
    from mner_keras import registry
    from mner_keras.errors import InputError
    from mner_keras.papers import runner

    def fail(run):
        raise InputError("no preset")

    monkeypatch.setattr(runner, "estimate", fail)
    monkeypatch.setattr(registry, "EXTRA_MODULES", {"crf": ("no_such_module",)})
    result = mner("reproduce-table", "agban", "3", "--rows", "t-ner,mner-ma", "--dry-run", "--out", tmp_path / "out")
    assert result.code == 0, result
    assert "T-NER: skipped, needs no_such_module (pip install 'mner-keras[crf]')" in result.err
    assert "MNER-MA cannot be trained: no preset" in result.err
    assert "cannot be trained" in result.out


# Stands in for `mner train CONFIG --out FOLDER --resume`: finishes the run with the gold tags of some posts.
TRAIN = """
import json, pathlib, sys
from finished_runs import finish_run, predict
from mner_keras.data import load_dataset
from mner_keras.run.config import RunConfig

folder = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
config = RunConfig.load(folder / "config.toml")
scores = {"micro": dict.fromkeys(("precision", "recall", "f1", "support"), 50), "types": {}}
(folder / "metrics.json").write_text(json.dumps({"dev": scores, "test": scores}))
finish_run(folder, config, predict(load_dataset(config.data)["test"], 0.5, folder.name), seconds=len(folder.name))
with open(folder.parent / "trained.txt", "a") as file:
    file.write(folder.name + "\\n")
"""


def test_two_shards_make_the_table_of_one_command(mner, tmp_path, monkeypatch):
    from mner_keras.papers import runner

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "support"), prepend=":")
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    monkeypatch.setattr(runner, "COMMAND", (sys.executable, str(tmp_path / "train.py")))

    def reproduce(out, *more):
        return mner("reproduce-table", "hsn", "5", "--rows", "hsn,hsn-without-mi", "--seeds", 2, "--out", out, *more)

    assert reproduce(tmp_path / "one", "--jobs", 2).code == 0
    first = reproduce(tmp_path / "two", "--shard", "1/2")
    assert first.code == 0
    assert "shard 1/2: 2 of the table's 4 runs are missing" in first.err
    assert "not finished" in first.out
    trained = (tmp_path / "two" / "runs" / "trained.txt").read_text(encoding="utf-8").split()
    assert len(trained) == 2
    # The other shard's interrupted run is none of this one's business.
    other = next(run for run in (tmp_path / "one" / "runs").iterdir() if run.is_dir() and run.name not in trained)
    (tmp_path / "two" / "runs" / other.name).mkdir()
    (tmp_path / "two" / "runs" / other.name / "train.log").touch()
    again = reproduce(tmp_path / "two", "--shard", "1/2")
    assert (again.code, ": training" in again.err) == (0, False)
    reproduce(tmp_path / "two", "--shard", "2/2").refused("1 of the table's runs were interrupted")
    second = reproduce(tmp_path / "two", "--shard", "2/2", "--resume")
    assert second.code == 0
    assert "shard 2/2: 0 of the table's 4 runs are missing" in second.err
    trained = (tmp_path / "two" / "runs" / "trained.txt").read_text(encoding="utf-8").split()
    assert len(trained) == len(set(trained)) == 4
    for name in ("table.md", "table.csv", "table.tex"):
        assert (tmp_path / "two" / "hsn-5" / name).read_bytes() == (tmp_path / "one" / "hsn-5" / name).read_bytes()
    assert reproduce(tmp_path / "two", "--shard", "5/9").code == 0  # a shard without a run shows the table
    reproduce(tmp_path / "two", "--shard", "3/2").refused("expected --shard I/N")


def test_a_table_of_counts_trains_nothing(mner, tmp_path):
    result = mner("reproduce-table", "agban", "I", "--out", tmp_path)
    assert result.code == 0
    assert "counted" in result.out
    with open(tmp_path / "agban-i" / "table.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    assert rows[0]["published"] == "2217"


def test_the_list_names_every_table_and_row(mner):
    result = mner("reproduce-table", "--list")
    assert result.code == 0
    for part in ("hsn-without-mi", "agban-concat", "counted in the data", "top-5"):
        assert part in result.out
    assert "hsn-without-mi" not in mner("reproduce-table", "agban", "--list").out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["expected a paper and a table", "--list"]),
        (["hsn"], ["expected a paper and a table"]),
        (["hsn", "9"], ["expected a table of hsn"]),
        (["hsn", "5", "--rows", "hsn,nonsense"], ["expected a row of hsn's table 5", "'nonsense'"]),
        (["hsn", "5", "--features", "regions=none.h5"], ["none.h5: expected a feature store"]),
        (["hsn", "5", "--vectors", "a", "--vectors", "b"], ["expected one --vectors for all systems"]),
        (["hsn", "5", "--set", "gate=feature"], ["expected --set MODEL.NAME=VALUE"]),
        (["hsn", "5", "--set", "hns.gate=feature"], ["expected a model", "Did you mean 'hsn'"]),
        (["hsn", "5", "--data", "nowhere"], ["found no 'nowhere'"]),
    ],
)
def test_what_people_give_by_mistake(mner, tmp_path, arguments, parts):
    mner("reproduce-table", *arguments, "--out", tmp_path / "out").refused(*parts)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["hns", "5"], ["hsn", "5", "--budget", "small"], ["hsn", "5", "--seeds", "0"]])
def test_values_out_of_range(mner, tmp_path, arguments):
    mner("reproduce-table", *arguments, "--out", tmp_path / "out").misused("Invalid value")
    assert not (tmp_path / "out").exists()


def test_compare_says_what_is_no_run(mner, tmp_path, text_run):
    mner("compare", tmp_path).refused(tmp_path, "expected a run")
    mner("compare", text_run, text_run).refused("found a second one with the seed and settings")
    mner("compare", text_run, "--posts", "-1").misused("Invalid value")
