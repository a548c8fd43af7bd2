"""`mner figure` and `mner report` on untrained runs: what they write, and what they say to wrong input."""

import dataclasses
import json
import shutil

import pytest
from PIL import Image
from run_folder import write_run

from mner_keras.run.config import RunConfig

pytestmark = pytest.mark.usefixtures("eagerly", "models_stay_open")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory, corpus):
    """The folder of a run by its model."""
    done = {}

    def get(model):
        if model not in done:
            done[model] = write_run(tmp_path_factory.mktemp("figures") / model, model, corpus)
        return done[model]

    return get


def written(folder, tags_of):
    """Write a run's tags down, as a run does: what the test split holds, tagged by a function of the post."""
    from mner_keras import load_dataset

    config = RunConfig.load(folder / "config.toml")
    with open(folder / "predictions.jsonl", "w", encoding="utf-8") as file:
        for post in load_dataset(config.data)["test"]:
            record = {"image": post.image_id, "tokens": post.tokens, "tags": post.tags, "predicted": tags_of(post)}
            file.write(json.dumps(record) + "\n")


@pytest.mark.parametrize(
    ("paper", "number", "ending", "posts"),
    [
        ("hsn", 5, "svg", ["--posts", "test-0", "test:2"]),
        ("agban", 6, "png", ["--posts", "test-0"]),
        ("agban", 7, "pdf", []),
    ],
)
def test_a_figure_is_written(mner, untrained, tmp_path, paper, number, ending, posts):
    out = tmp_path / f"figure.{ending}"
    result = mner("figure", paper, number, "--run", untrained(paper), *posts, "--out", out)
    assert (result.code, result.out, result.err) == (0, f"{out}\n", "")
    assert out.stat().st_size > 5000


def test_agban_space_compares_two_runs(mner, untrained, tmp_path, monkeypatch):
    import mner_keras.views.paper_figures as draw

    out, drawn = tmp_path / "space.png", {}
    monkeypatch.setattr(draw, "modality_space_figure", lambda samples, seed: drawn.update(samples) or draw_nothing())
    arguments = ("--run", untrained("agban"), "--other", untrained("agban-gban"), "--out", out, "--split", "train")
    assert mner("figure", "agban", 5, *arguments).code == 0
    assert list(drawn) == ["agban-gban, without adversarial training", "agban, with adversarial training"]
    assert len({sample.features.shape for sample in drawn.values()}) == 1
    assert out.exists()


def test_the_tags_that_runs_wrote_down_are_shown(mner, untrained, tmp_path, monkeypatch):
    ours, other = untrained("agban"), untrained("text")
    written(ours, lambda post: post.tags)
    written(other, lambda post: ["O"] * len(post))
    seen = []
    import mner_keras.views.paper_figures as draw

    monkeypatch.setattr(draw, "case_study_figure", lambda cases: seen.append(cases) or draw_nothing())
    for number in (8, 9):
        out = tmp_path / f"{number}.png"
        result = mner("figure", "agban", number, "--run", ours, "--other", other, "--out", out, "--count", 3)
        if number == 8:
            assert result.code == 0, result
        else:
            # Nothing is wrong in what the run wrote down.
            result.refused("no post of test shows what this figure is about")
    (cases,) = seen
    assert len(cases) == 3
    for case in cases:
        assert case.predicted["agban"] == case.post.tags
        assert set(case.predicted["text"]) == {"O"}
        assert "attention" in case.explanation
    (ours / "predictions.jsonl").write_text('{"tokens": 3}\n')
    mner("figure", "agban", 8, "--run", ours, "--other", other, "--out", out).refused(
        "predictions.jsonl:1", "expected an object with `image`"
    )


def test_a_run_that_saw_no_picture_is_drawn_without_one(mner, untrained, tmp_path, monkeypatch):
    import mner_keras.views.paper_figures as draw

    blind = shutil.copytree(untrained("hsn"), tmp_path / "blind")
    dataclasses.replace(RunConfig.load(blind / "config.toml"), no_pictures=True).save(blind / "config.toml")
    Image.new("RGB", (8, 8)).save(tmp_path / "test-1.png")
    seen = []
    monkeypatch.setattr(draw, "hsn_attention_figure", lambda cases: seen.extend(cases) or draw_nothing())
    for run in (untrained("hsn"), blind):
        arguments = ("--run", run, "--posts", "test-1", "--pictures", tmp_path, "--out", tmp_path / "a.svg")
        assert mner("figure", "hsn", 5, *arguments).code == 0
    assert [case.picture is None for case in seen] == [False, True]


def draw_nothing():
    from matplotlib.figure import Figure

    return Figure(figsize=(1, 1))


def test_wrong_input_is_told(mner, untrained, corpus, tmp_path):
    hsn, agban, text = (untrained(name) for name in ("hsn", "agban", "text"))
    out = tmp_path / "a.png"

    def refused(*arguments):
        return lambda *parts: mner("figure", *arguments).refused(*parts)

    refused("hsn", 7, "--run", hsn, "--out", out)("expected a figure (hsn 5, hsn 6, agban 5,", "found hsn 7")
    refused("hsn", 5, "--run", agban, "--out", out)(agban, "needs a run of HSN, found agban")
    refused("agban", 6, "--run", text, "--out", out)("needs a run of AGBAN or ReleasedAGBAN, found text")
    refused("agban", 5, "--run", agban, "--out", out)("compares two runs: --other names the second")
    refused("agban", 5, "--run", agban, "--other", hsn, "--out", out)("needs a run of AGBAN", "found hsn")
    refused("agban", 7, "--run", agban, "--other", hsn, "--out", out)("shows one run")
    refused("agban", 7, "--run", untrained("agban-gban"), "--out", out)("expected the losses of a model with")
    refused("hsn", 5, "--run", hsn, "--out", out, "--posts", "test_0")("found 'test_0'. Did you mean 'test-0'?")
    refused("agban", 7, "--run", agban / "model.keras", "--out", out)("expected a run's folder", "found a file")
    refused("hsn", 5, "x", "--run", hsn, "--out", out)("--posts names posts")
    refused("hsn", 5, "--run", tmp_path / "none", "--out", out)("found no such thing")
    refused("hsn", 5, "--run", tmp_path, "--out", out)("expected a run with a model.keras")
    refused("hsn", 5, "--run", hsn, "--out", out, "--pictures", tmp_path / "none")("found no such thing")
    refused("hsn", 5, "--run", hsn, "--out", tmp_path / "a")("expected a file extension (.png, .svg, .pdf), found none")
    refused("hsn", 5, "--run", hsn, "--out", tmp_path / "a.pgn")("found '.pgn'. Did you mean '.png'?")
    refused("hsn", 5, "--run", hsn, "--out", tmp_path / "no" / "a.png")("expected a folder to write into")
    (tmp_path / "b.png").mkdir()
    refused("hsn", 5, "--run", hsn, "--out", tmp_path / "b.png")("expected a file to write, found a folder")
    sample = write_run(tmp_path / "sample", "text", "sample")
    refused("agban", 8, "--run", agban, "--other", sample, "--out", out)(
        "expected a run of the same posts", "--data sets the posts of all"
    )
    assert not out.exists()
    assert mner("figure", "hsn", 5, "--run", hsn).code == 2


def test_the_report_is_written_and_bad_input_is_an_error(mner, untrained, tmp_path):
    run, out = untrained("text"), tmp_path / "a.html"

    def refused(*arguments):
        return mner("report", *arguments).refused

    refused(run, "--out", tmp_path / "a.pdf")("expected a file extension (.html, .htm), found '.pdf'")
    refused(run, "--out", out, "--pictures", tmp_path / "no")("expected a folder of pictures")
    refused(tmp_path, "--out", out)("expected the folder of a finished run or of a table (plan.toml), found neither")
    assert mner("report", run, "--out", out, "--posts", -1).code == 2
    assert not out.exists()
    result = mner("report", run, "--out", out, "--posts", 3)
    assert (result.code, result.out) == (0, f"{out}\n"), result
    assert out.read_text(encoding="utf-8").count('class="mner-post"') == 3
