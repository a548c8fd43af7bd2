"""Finished runs on nasty posts, a table of them, and their report."""

import dataclasses
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
    """A table of HSN's with runs in its first rows."""
    import tomli_w

    from mner_keras.papers import find_table

    rows = find_table("hsn", "5").rows
    plan = {"paper": "hsn", "table": "5", "scheme": "strict", "caveats": ["data: <small>", "a note & more"]}
    plan["data"] = {"name": "other", "description": "small", "types": {}}
    plan["run"] = [
        {"row": row.key, "seed": 1, "folder": f"../runs/{run}"} for row, run in zip(rows, runs, strict=False)
    ]
    folder.mkdir(parents=True)
    (folder / "plan.toml").write_text(tomli_w.dumps(plan), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def finished(runs, corpus, tmp_path_factory):
    """A folder with runs of three models on nasty posts, and a table of two of them and of one that is gone."""
    home = tmp_path_factory.mktemp("finished")
    nasty = make_corpus(corpus, home / "nasty", (1, 2, 6, 7))
    for kind in ("hsn", "agban", "text"):
        move_run(runs(kind)[0], home / "out" / "runs" / kind, nasty)
    write_table(home / "out" / "hsn-5", ["hsn", "agban", "gone"])
    return home


@pytest.fixture(scope="session")
def page(mner, finished):
    """The report of the table and of a run that is not in it."""
    out = finished / "report.html"
    result = mner("report", finished / "out" / "hsn-5", finished / "out" / "runs" / "text", "--out", out, "--posts", 12)
    assert (result.code, result.out) == (0, f"{out}\n"), result
    return out
