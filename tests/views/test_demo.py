"""The demo's answers, without the page."""

import re

import pytest

from mner_keras import load_dataset
from mner_keras.errors import InputError
from mner_keras.views.demo import DemoSession, describe_run, error_html
from mner_keras.vision import find_pictures

pytestmark = pytest.mark.usefixtures("eagerly")
POST = "So proud of Bosch 🔥 <script>alert(1)</script>"


@pytest.fixture(scope="module")
def sample():
    return load_dataset("sample")


@pytest.fixture(scope="module")
def pictures(sample):
    return find_pictures([sample.pictures()])[0]


@pytest.fixture(scope="module")
def session_of(sample, pictures):
    from run_folder import build_model

    made = {}

    def get(name):
        if name not in made:
            made[name] = DemoSession(build_model(name, sample)[0], pictures)
        return made[name]

    return get


def test_the_answer_is_the_taggers_own_and_the_picture_changes_it(session_of, pictures):
    session = session_of("agban")
    (seen,) = session.tag(POST, pictures["sample-00812"]).cases
    (blind,) = session.tag(POST).cases
    assert seen.objects.names == ("orange", "red")
    assert seen.attention.shape == (len(seen.post), 2)
    assert blind.attention.shape == (len(seen.post), 0)
    assert "The model sees no object." in session.tag(POST)._repr_html_()
    (expected,) = session.model.tag([POST], pictures=[pictures["sample-00812"]])
    assert seen.entities == expected.entities
    (case,) = session_of("hsn").tag(POST, pictures["sample-00812"]).cases
    assert len(case.explanation["region_attention"]) == 9


def test_typed_text_is_not_markup(session_of):
    for html in (session_of("text").tag(POST)._repr_html_(), error_html(POST)):
        assert "<script" not in html
        assert "&lt;script" in html
    assert error_html("/tmp/x/a.png: damaged", "/tmp/x/a.png").endswith(">a.png: damaged</div>")


def test_bad_input_is_an_error(session_of, pictures, tmp_path, monkeypatch):
    from mner_keras.text import TaggerDataMissing

    session, text = session_of("agban"), session_of("text")
    for words in ("", "  \n"):
        with pytest.raises(InputError, match="expected a post, found no words"):
            session.tag(words)
    with pytest.raises(InputError, match="at most 5,000 characters, found 6,000"):
        session.tag("x" * 6000)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    with pytest.raises(InputError, match="bad.png: is no picture in JPEG"):
        session.tag(POST, bad)
    with pytest.raises(InputError, match="bad.png"):
        DemoSession(session.model, pictures, bad)
    assert re.match("the model reads the text alone", text.no_pictures)
    with pytest.raises(InputError, match="the model reads the text alone"):
        text.tag(POST, pictures["sample-00812"])

    def missing(*arguments):
        raise TaggerDataMissing("The data of NLTK's tagger is missing")

    monkeypatch.setattr(text.model, "tag", missing)
    with pytest.raises(InputError, match="The data of NLTK's tagger is missing"):
        text.tag(POST)


def test_the_header_names_the_data_and_f1_of_a_run(finished, tmp_path):
    assert describe_run(finished / "runs" / "agban").startswith("trained on nasty; F1 ")
    assert describe_run(finished / "runs" / "agban" / "model.keras").startswith("trained on nasty; F1 ")
    assert describe_run(tmp_path / "model.keras") == ""


def test_pictures_are_swapped_in_turn(session_of, pictures):
    few = {key: pictures[key] for key in ("sample-00000", "sample-00001")}
    session = DemoSession(session_of("text").model, few)
    first = session.next_picture(None)
    second = session.next_picture(first)
    assert [first, second, session.next_picture(second)] == [*map(str, few.values()), first]
    assert session.next_picture("/elsewhere.png") == first
    assert DemoSession(session.model).next_picture(None) is None
