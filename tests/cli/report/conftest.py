"""Finished runs on nasty posts, a table of them, and their report."""

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import pytest
from small_corpus import make_records, write_records

from mner_keras.run.config import RunConfig

sys.path.insert(0, str(Path(__file__).parent))

NASTY = {
    2: ["<script>alert(1)</script>", "</svg>", "&amp;", "\"'><img", "src=http://evil.example/x.png", "`${x}`"],
    3: ["مرحبا", "بكم", "في", "القاهرة", "👩‍👩‍👧", "🔥"],
    4: ["w" * 300, *["long"] * 200],
}


def make_corpus(corpus, folder, drawn):
    """The small corpus with nasty posts in its test split, and pictures, one of which is damaged."""
    from PIL import Image

    shutil.copytree(corpus, folder)
    records = make_records("test")
    for number, tokens in NASTY.items():
        tags = ["B-LOC", "I-LOC", *["O"] * (len(tokens) - 2)]
        records[number] = {**records[number], "tokens": tokens, "tags": tags, "pos": ["NN"] * len(tokens)}
    write_records(folder / "test.jsonl", records)
    (folder / "images").mkdir()
    for number in drawn:
        Image.new("RGB", (40 + number, 60), (200, 30 * number % 255, 80)).save(folder / "images" / f"test-{number}.png")
    (folder / "images" / "test-3.png").write_bytes(b"no picture")
    return folder


def move_run(run, folder, corpus):
    """A copy of a run that was scored on another corpus: its tags are every other post's gold ones."""
    from mner_keras import load_dataset
    from mner_keras.run.predictions import write_predictions

    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("checkpoint"))
    config = dataclasses.replace(RunConfig.load(folder / "config.toml"), data=str(corpus), features="")
    config.save(folder / "config.toml")
    posts = load_dataset(corpus)["test"]
    predicted = [post.tags if number % 2 else ("O",) * len(post) for number, post in enumerate(posts)]
    write_predictions(folder / "predictions.jsonl", posts, predicted)
    return folder


def write_table(folder, runs):
    """A table of HSN's with runs in its first lines."""
    from mner_keras.reproduce import find_table
    from mner_keras.reproduce.result import Cell, ResultLine, TableResult

    table = find_table("hsn", "5")
    lines = tuple(
        ResultLine(row.key, row.name, "", (Cell(table.find_number(row.key, "f1"), (61.5,)),), (1,), runs=(str(run),))
        for row, run in zip(table.rows, runs, strict=False)
    )
    result = TableResult(table, ("F1",), lines, "made up", ("data: <small>",), ("a note & more",))
    folder.mkdir(parents=True)
    (folder / "table.json").write_text(json.dumps(result.to_json()), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def finished(runs, corpus, tmp_path_factory):
    """A folder with runs of three models on nasty posts, and a table of two of them and of one that is gone."""
    home = tmp_path_factory.mktemp("finished")
    nasty = make_corpus(corpus, home / "nasty", (1, 2, 6, 7))
    made = [move_run(runs(kind)[0], home / "out" / "runs" / kind, nasty) for kind in ("hsn", "agban", "text")]
    # The table was made elsewhere.
    write_table(home / "out" / "hsn-5", ["elsewhere/runs/hsn", made[1], "elsewhere/runs/gone"])
    return home


@pytest.fixture(scope="session")
def page(mner, finished):
    """The report of the table and of a run that is not in it."""
    out = finished / "report.html"
    result = mner("report", finished / "out" / "hsn-5", finished / "out" / "runs" / "text", "--out", out, "--posts", 12)
    assert (result.code, result.out) == (0, f"{out}\n"), result
    return out
