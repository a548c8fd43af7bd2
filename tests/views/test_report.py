"""The report: its numbers are those of the runs, and it is one page that makes no requests."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
from html_page import HtmlPage

from mner_keras import InputError, load_dataset
from mner_keras.run.config import RunConfig
from mner_keras.views.charts import read_curves
from mner_keras.views.report import ALL, BOUNDS, MISSED, SPURIOUS, count_confusion, make_report

pytestmark = pytest.mark.usefixtures("eagerly", "models_stay_open")


@pytest.fixture(scope="module")
def text(page):
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def found(text):
    return HtmlPage(text)


def test_the_page_is_well_formed_and_makes_no_requests(text, found, finished):
    assert found.problems == []
    assert "default-src 'none'" in text
    assert not any(tag in ("script", "iframe", "object", "embed") for tag, _ in found.elements)
    assert len(text) < 1_500_000
    # The page may be sent to others: it names no folder of this machine.
    assert str(finished) not in text


def test_the_table_is_whole_and_leads_to_its_runs(text, found, finished):
    from mner_keras.papers.measured import read_table
    from mner_keras.papers.render import text_rows

    table = read_table(finished / "hsn-5")
    for name, lines in text_rows(table):
        for part in (name, *(cell for _, *cells in lines for cell in cells)):
            assert part in found.texts["table-1"]
    assert "data: <small>" in found.texts["table-1"]
    assert re.findall(r'class="to-run" href="#(run-\d)"', text) == ["run-1", "run-2"]
    assert "HSN, table 5" in found.texts["run-1"]
    assert "HSN, table 5" not in found.texts["run-3"]


def test_the_table_has_a_chart_and_only_the_best_is_bold(text, found, finished):
    from mner_keras.papers.measured import read_table

    table = read_table(finished / "hsn-5")
    body = text[text.index('<table class="published">') :].partition("</table>")[0]
    best = {float(value) for value in re.findall(r"<strong>([\d.]+)</strong>", body)}
    cells = [[row["cells"][column]["mean"] for row in table["rows"]] for column in table["columns"]]
    assert best == {round(max(mean for mean in means if mean is not None), 2) for means in cells if any(means)}
    for row in table["rows"]:
        cell = row["cells"]["overall F1"]
        shown = re.search(rf"published {cell['published']}, measured {cell['mean']:.2f} \(([\d.]+) to ([\d.]+)\)", text)
        low, high = map(float, shown.groups())
        assert low < cell["mean"] < high
    assert "Data: nasty. Models: hsn, agban, text." in text


def test_every_model_shows_the_posts_pictures(found):
    for run in ("run-1", "run-2", "run-3"):
        assert "Picture test-3 cannot be read" in found.texts[run]
    assert "The model does not see the picture." in found.texts["run-3"]


def test_a_run_is_shown_with_its_own_numbers(found, finished):
    for key, name in (("run-1", "hsn"), ("run-2", "agban"), ("run-3", "text")):
        shown = found.texts[key]
        metrics = json.loads((finished / "runs" / name / "metrics.json").read_text())
        for scores in (metrics["test"]["micro"], *metrics["test"]["types"].values()):
            assert all(f"{scores[score]:.2f}" in shown for score in ("precision", "recall", "f1"))
        provenance = json.loads((finished / "runs" / name / "provenance.json").read_text())
        for value in (provenance["versions"]["keras"], *provenance["data"]["sha256"].values()):
            assert value in shown
        assert f"{name}, seed 1" in found.texts[f"{key}-heading"]


def test_the_posts_are_ordered_by_loss_and_marked(found, model_of, finished, corpus):
    from mner_keras.run.run import Run

    for key, name in (("run-1", "hsn"), ("run-2", "agban"), ("run-3", "text")):
        run = Run(finished / "runs" / name)
        losses = -run.model.log_likelihood(run.dataset["test"], run.store)
        misses, hits = found.texts[key].split("Hits")
        for part, one in ((misses, 0), (hits, 1)):  # every other post was tagged with nothing
            expected = [loss for post, loss in zip(run.dataset["test"], losses, strict=True)][one::2]
            shown = [float(x) for x in re.findall(r"loss (\d+\.\d)\b", part)]
            np.testing.assert_allclose(shown, np.sort(expected)[::-1], atol=0.06)
        assert f"test split is {losses.mean():.2f}" in found.texts[key]
        assert re.search(r"LOC ✗ not found", " ".join(found.texts[f"{key}-post-3"].split()))
        assert "gold and predicted" in found.texts[f"{key}-post-4"]


def test_pictures_come_from_the_named_folder(finished, tmp_path):
    from PIL import Image

    Image.new("RGB", (4000, 3000), "red").save(tmp_path / "test-2.jpg")
    page = HtmlPage(make_report([finished / "runs" / "hsn"], posts=12, pictures={"test-2": tmp_path / "test-2.jpg"}))
    (picture,) = [attributes for tag, attributes in page.elements if tag == "image"]
    assert (picture["width"], picture["height"]) == ("4000", "3000")
    assert len(picture["href"]) < 10_000


def test_without_posts_no_model_is_loaded(finished, tmp_path):
    run = shutil.copytree(finished / "runs" / "text", tmp_path / "run")
    (run / "model.keras").write_bytes(b"")
    found = HtmlPage(make_report([run], posts=0))
    assert found.problems == []
    assert "highest loss" not in found.texts["run-1"]
    # With posts, the page says why there are none, and shows the rest.
    text = make_report([run])
    assert "Not computed: model.keras: expected a .keras model" in HtmlPage(text).texts["run-1"]
    assert str(tmp_path) not in text


def test_a_run_whose_data_is_gone_is_shown_without_posts(finished, tmp_path):
    run = shutil.copytree(finished / "runs" / "agban", tmp_path / "run")
    dataclasses.replace(RunConfig.load(run / "config.toml"), data="/gone/data").save(run / "config.toml")
    page = make_report([run])
    text = HtmlPage(page).texts["run-1"]
    assert "Not computed: " in text
    assert "/gone" not in page
    assert "CRF loss (as written by the run) by epoch" in page
    assert "Confusion of types" in text


def test_a_run_given_twice_is_shown_once(finished):
    places = [finished / "hsn-5", finished / "runs" / "hsn", finished / "hsn-5"]
    found = HtmlPage(make_report(places, posts=0))
    assert [key for key in found.texts if re.fullmatch(r"(run|table)-\d+", key)] == ["table-1", "run-1", "run-2"]


def test_damaged_input_is_an_error(finished, tmp_path):
    def refused(place, *parts):
        with pytest.raises(InputError) as error:
            make_report([place])
        assert all(part in str(error.value) for part in parts), error.value

    refused(tmp_path / "nothing", "nothing: expected the folder of a run or of a table, found no such thing")
    refused(finished / "hsn-5" / "table.md", "found a file")
    refused(tmp_path, "expected the folder of a finished run or of a table (plan.toml), found neither")
    run = shutil.copytree(finished / "runs" / "hsn", tmp_path / "copy")
    for name, text, message in (
        ("metrics.json", "{", "found a file that does not parse"),
        ("history.csv", "epoch,loss\n1,x\n", "found a file that does not parse"),
        ("provenance.json", "[]", "expected an object"),
        ("predictions.jsonl", "3\n", "expected an object with `image`"),
    ):
        kept = (run / name).read_text(encoding="utf-8")
        (run / name).write_text(text, encoding="utf-8")
        refused(run, name, message)
        (run / name).write_text(kept, encoding="utf-8")
    (run / "provenance.json").unlink()
    refused(run, "found a run without provenance.json")


def tags(text):
    return text.split()


def test_every_entity_counts_once_in_its_row_and_once_in_its_column():
    found = count_confusion(
        [
            (tags("B-PER I-PER O B-LOC"), tags("B-PER I-PER O B-ORG")),  # right; the wrong type
            (tags("B-PER I-PER O O"), tags("B-PER O O B-LOC")),  # other bounds; spurious
            (tags("B-ORG O O O"), tags("O O O O")),  # missed
            (tags("O I-PER O O"), tags("O I-PER O O")),  # orphans are no entities
        ]
    )
    assert {key: count for key, count in found.items() if ALL not in key} == {
        ("PER", "PER"): 1,
        ("LOC", "ORG"): 1,
        ("PER", BOUNDS): 1,
        (BOUNDS, "PER"): 1,
        (SPURIOUS, "LOC"): 1,
        ("ORG", MISSED): 1,
    }
    assert [found[kind, ALL] for kind in ("LOC", "ORG", "PER")] == [1, 1, 2]
    assert [found[ALL, kind] for kind in ("LOC", "ORG", "PER")] == [1, 1, 2]


def test_curves_hold_the_losses_per_post():
    history = [
        {"epoch": 1.0, "loss": 20.0, "val_loss": 40.0, "val_f1": 25.0},
        {"epoch": 3.0, "loss": 10.0, "val_loss": float("nan"), "val_f1": 50.0},
    ]
    curves = read_curves(history, (10.0, 20.0))
    assert list(curves) == ["f1", "loss"]
    assert curves["f1"] == {"dev": [(1, 25.0), (3, 50.0)]}
    assert curves["loss"]["train"] == [(1, 2.0), (3, 1.0)]
    assert read_curves([]) == {}


def test_a_posts_loss_is_its_training_loss(corpus, model_of):
    posts = load_dataset(corpus)["test"]
    model, store = model_of("agban")
    losses = -model.log_likelihood(posts, store, batch_size=5)
    for number in (0, 1, 7):
        ((inputs, gold),) = model.preprocessor.dataset([posts[number]], store, batch_size=1)
        alone = model.crf_loss(gold, model(inputs, training=False))
        assert losses[number] == pytest.approx(float(np.asarray(alone)), rel=1e-4)
    with pytest.raises(InputError, match="expected posts with tags"):
        model.log_likelihood([dataclasses.replace(posts[0], tags=None)], store)
