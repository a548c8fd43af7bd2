"""`mner report`: the page of runs and tables, and what it says to wrong input."""

import dataclasses
import json
import re
import shutil

import pytest
from html_page import HtmlPage

from mner_keras.run.config import RunConfig


def test_the_page_is_well_formed_and_asks_for_nothing(page, finished):
    text = page.read_text(encoding="utf-8")
    found = HtmlPage(text)
    assert found.problems == []
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert len(text) < 1_500_000
    # No path of this machine goes out with it.
    assert str(finished) not in text


def test_a_script_in_a_post_stays_text(page):
    found = HtmlPage(page.read_text(encoding="utf-8"))
    assert sum(tag == "script" for tag, _ in found.elements) == 1
    assert not any(tag in ("img", "iframe", "object", "embed") for tag, _ in found.elements)
    for key in ("run-1", "run-2", "run-3"):
        assert "<script>alert(1)</script>" in found.texts[key]
        assert "src=http://evil.example/x.png" in found.texts[key]
        assert "القاهرة" in found.texts[key]


def test_the_table_is_whole_and_leads_to_its_runs(page):
    from mner_keras.papers import find_table

    text = page.read_text(encoding="utf-8")
    found = HtmlPage(text)
    rows = find_table("hsn", "5").rows[:3]
    for row in rows:
        assert row.name in found.texts["table-1"]
        assert f"{row.values['f1']:.2f}" in found.texts["table-1"]
    assert found.texts["table-1"].count("published") >= 3
    for said in ("data: <small>", "a note & more", "seed 1 not finished"):
        assert said in found.texts["table-1"]
    links = re.findall(r'class="to-run" href="#(run-\d)"', text)
    assert links == ["run-1", "run-2"]
    assert "HSN, table 5" in found.texts["run-1"]
    assert "HSN, table 5" not in found.texts["run-3"]


def test_a_run_is_shown_with_its_own_numbers(page, finished):
    found = HtmlPage(page.read_text(encoding="utf-8"))
    for key, name in (("run-1", "hsn"), ("run-2", "agban"), ("run-3", "text")):
        text = found.texts[key]
        metrics = json.loads((finished / "out" / "runs" / name / "metrics.json").read_text())
        for scores in (metrics["test"]["micro"], *metrics["test"]["types"].values()):
            for score in ("precision", "recall", "f1"):
                assert f"{scores[score]:.2f}" in text
        provenance = json.loads((finished / "out" / "runs" / name / "provenance.json").read_text())
        for value in (provenance["versions"]["keras"], *provenance["data"]["sha256"].values()):
            assert value in text
        assert f"{name}, seed 1" in found.texts[f"{key}-heading"]


def test_the_posts_come_by_their_loss_with_what_is_wrong_in_them(page, finished):
    found = HtmlPage(page.read_text(encoding="utf-8"))
    for key in ("run-1", "run-2", "run-3"):
        losses = [float(x) for x in re.findall(r"loss (\d+\.\d)\b", found.texts[key])]
        assert len(losses) == 12
        assert losses == sorted(losses, reverse=True)
        mean = float(re.search(r"test split is (\d+\.\d\d)", found.texts[key]).group(1))
        assert mean == pytest.approx(sum(losses) / 12, abs=0.06)
        # Every other post was tagged with nothing: its gold entities were not found.
        assert "LOC ✗, not found" in found.texts[f"{key}-post-3"]
        assert "gold and predicted" in found.texts[f"{key}-post-4"]


def test_attention_is_drawn_as_the_model_attends(page, finished):
    text = page.read_text(encoding="utf-8")
    found = HtmlPage(text)
    assert len(found.of_class("attends")) == 24
    # HSN: four regions a post, each with its weight; the weights of a post add up to one.
    regions = [float(one["data-say"].rpartition(" ")[2]) for one in found.of_class("region")]
    assert len(regions) == 4 * 12
    assert sum(regions[:4]) == pytest.approx(1, abs=0.001)
    # AGBAN: a token's attention to the objects adds up to one.
    tokens = [one for one in found.of_class("token") if "data-weights" in one]
    assert tokens
    assert all(sum(map(float, one["data-weights"].split())) == pytest.approx(1, abs=0.001) for one in tokens)
    assert sum(one.get("tabindex") == "0" for one in found.of_class("token")) == len(found.of_class("words"))
    # The Arabic post runs from right to left, the others do not; AGBAN sees no object in it, and shows no words.
    assert [one["dir"] for one in found.of_class("words")].count("rtl") == 1
    assert [one.get("dir") for tag, one in found.elements if tag == "dd"].count("rtl") == 3
    # Pictures are there once, though two runs show them; the damaged one is not.
    assert len([tag for tag, _ in found.elements if tag == "image"]) == 4
    assert "The picture test-3 is not at hand." in found.texts["run-1-post-4"]
    assert "the model sees a blank one" in found.texts["run-1-post-5"]
    assert "and 41 more tokens" in found.texts["run-1-post-5"]


def test_pictures_come_from_the_folder_that_is_named(mner, finished, tmp_path):
    from PIL import Image

    (tmp_path / "own").mkdir()
    Image.new("RGB", (4000, 3000), "red").save(tmp_path / "own" / "test-2.jpg")
    out = tmp_path / "a.html"
    run = finished / "out" / "runs" / "hsn"
    assert mner("report", run, "--out", out, "--posts", 12, "--pictures", tmp_path / "own").code == 0
    pictures = [attributes for tag, attributes in HtmlPage(out.read_text(encoding="utf-8")).elements if tag == "image"]
    ((width, height),) = [(one["width"], one["height"]) for one in pictures]
    assert (width, height) == ("4000", "3000")
    assert len(pictures[0]["href"]) < 10_000


def test_without_posts_no_model_is_opened(mner, finished, tmp_path):
    run = shutil.copytree(finished / "out" / "runs" / "text", tmp_path / "run")
    (run / "model.keras").write_bytes(b"")
    out = tmp_path / "a.html"
    assert mner("report", run, "--out", out, "--posts", 0).code == 0
    found = HtmlPage(out.read_text(encoding="utf-8"))
    assert found.problems == []
    assert "highest loss" not in found.texts["run-1"]
    # With posts, the page says why there are none, and shows the rest.
    assert mner("report", run, "--out", out).code == 0
    found = HtmlPage(out.read_text(encoding="utf-8"))
    assert "Not computed: model.keras: expected a .keras model" in found.texts["run-1"]
    assert str(tmp_path) not in out.read_text(encoding="utf-8")


def test_a_run_whose_data_is_gone_is_shown_without_posts(mner, finished, tmp_path):
    run = shutil.copytree(finished / "out" / "runs" / "agban", tmp_path / "run")
    config = dataclasses.replace(RunConfig.load(run / "config.toml"), data="/gone/data")
    config.save(run / "config.toml")
    out = tmp_path / "a.html"
    assert mner("report", run, "--out", out).code == 0
    text = HtmlPage(out.read_text(encoding="utf-8")).texts["run-1"]
    assert "Not computed: " in text
    assert "/gone" not in text
    assert "Losses are as the run wrote them." in text
    assert "Confusion of types" in text


def test_a_run_given_twice_is_shown_once(mner, finished, tmp_path):
    out = tmp_path / "a.html"
    places = [finished / "out" / "hsn-5", finished / "out" / "runs" / "hsn", finished / "out" / "hsn-5"]
    assert mner("report", *places, "--out", out, "--posts", 0).code == 0
    found = HtmlPage(out.read_text(encoding="utf-8"))
    assert [key for key in found.texts if re.fullmatch(r"(run|table)-\d+", key)] == ["table-1", "run-1", "run-2"]


def test_wrong_input_is_told(mner, finished, tmp_path):
    run = finished / "out" / "runs" / "hsn"
    out = tmp_path / "a.html"

    def refused(*arguments):
        return mner("report", *arguments).refused

    refused(tmp_path / "nothing", "--out", out)(
        "nothing: expected the folder of a run or of a table, found no such thing"
    )
    refused(page_file := run / "config.toml", "--out", out)(page_file, "found a file")
    refused(tmp_path, "--out", out)("expected the folder of a run (provenance.json) or of a table (plan.toml)")
    refused(run, "--out", tmp_path)("expected a file to write, found a folder")
    refused(run, "--out", tmp_path / "a.pdf")("expected a file's ending (.html), found '.pdf'")
    refused(run, "--out", tmp_path / "no" / "a.html")("expected a folder to write into, found none")
    refused(run, "--out", out, "--posts", -1)("`posts` must be at least 0, found -1")
    refused(run, "--out", out, "--pictures", tmp_path / "no")("expected a folder of pictures")
    copy = shutil.copytree(run, tmp_path / "copy")
    for name, text, message in (
        ("metrics.json", "{", "expected JSON"),
        ("metrics.json", '{"dev": 3}', "expected precision, recall, f1, support of dev and test"),
        ("history.csv", "epoch,loss\n1,x\n", "expected a table of numbers"),
        ("provenance.json", "[]", "expected an object"),
        ("predictions.jsonl", "3\n", "expected an object with `image`"),
    ):
        kept = (copy / name).read_text(encoding="utf-8")
        (copy / name).write_text(text, encoding="utf-8")
        refused(copy, "--out", out)(name, message)
        (copy / name).write_text(kept, encoding="utf-8")
    (copy / "provenance.json").unlink()
    refused(copy, "--out", out)("expected a finished run, found one without provenance.json")
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "plan.toml").write_text("{}")
    refused(tmp_path / "table", "--out", out)("plan.toml: expected the plan of a table")
    assert not out.exists()


def test_a_run_whose_posts_cannot_be_tagged_is_shown_without_them(finished, monkeypatch):
    from mner_keras.reproduce.report import make
    from mner_keras.text import TaggerDataMissing

    def missing(*arguments):
        raise TaggerDataMissing("the data of NLTK's tagger is missing")

    monkeypatch.setattr(make, "hardest_posts", missing)
    (run,) = make.make_report([finished / "out" / "runs" / "text"]).runs
    assert run.no_posts == "Not computed: the data of NLTK's tagger is missing"
    assert run.posts == []
