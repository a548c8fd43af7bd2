"""A small corpus with posts that are hard to show, runs of untrained models on it, and their report."""

import pytest


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """The small corpus with nasty posts in its test split, and pictures, one of which is damaged."""
    from PIL import Image
    from run_folder import NASTY
    from small_corpus import make_records, write_corpus, write_records

    folder = write_corpus(tmp_path_factory.mktemp("corpus") / "nasty")
    records = make_records("test")
    for number, tokens in NASTY.items():
        tags = ["B-LOC", "I-LOC", *["O"] * (len(tokens) - 2)]
        records[number] = {**records[number], "tokens": tokens, "tags": tags, "pos": ["NN"] * len(tokens)}
    write_records(folder / "test.jsonl", records)
    (folder / "images").mkdir()
    for number in (1, 2, 6, 7):
        Image.new("RGB", (40 + number, 60), (200, 30 * number, 80)).save(folder / "images" / f"test-{number}.png")
    (folder / "images" / "test-3.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="session")
def finished(corpus, tmp_path_factory):
    """A folder with runs of three models, and a table of two of them."""
    from run_folder import write_run

    from mner_keras import load_dataset
    from mner_keras.papers.measured import measure_table
    from mner_keras.papers.plan import Plan, PlannedRun, identify_dataset
    from mner_keras.papers.published import find_table

    home = tmp_path_factory.mktemp("finished")
    for name in ("hsn", "agban", "text"):
        write_run(home / "runs" / name, name, corpus)
    table = find_table("hsn", "5")
    runs = [PlannedRun(row, 1, home / "runs" / name) for row, name in zip(table.rows, ("hsn", "agban"), strict=False)]
    data = identify_dataset(load_dataset(corpus))
    measure_table(home / "hsn-5", table, plan=Plan(table, data, tuple(runs), caveats=("data: <small>",)))
    return home


@pytest.fixture(scope="session")
def page(finished, load_once):
    """The report of the table and of a run that is not in it."""
    from mner_keras.views.report import make_report

    out = finished / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mner_keras.models.load", load_once)
        out.write_text(make_report([finished / "hsn-5", finished / "runs" / "text"], posts=12), encoding="utf-8")
    return out


@pytest.fixture(scope="session")
def model_of(corpus):
    """An untrained model and its store by the model's name."""
    from run_folder import build_model

    from mner_keras import load_dataset

    made, data = {}, load_dataset(corpus)

    def get(name):
        if name not in made:
            made[name] = build_model(name, data)
        return made[name]

    return get
