"""What the demo's page says of a post, without the page."""

import re

import pytest

from mner_keras.demo.answering import Answering
from mner_keras.demo.post_html import error_html, explanation_html, post_html
from mner_keras.errors import InputError

POST = "So proud of Bosch 🔥 <script>alert(1)</script>"


def test_the_picture_is_read_and_moves_the_answer(model_of, pictures):
    answering = Answering(model_of("agban"), pictures)
    seen, _ = answering.answer(POST, pictures["sample-00812"])
    blind, _ = answering.answer(POST)
    assert seen.objects.names == ("orange", "red")
    assert seen.explanation["attention"].shape == (len(seen.post), 2)
    assert blind.explanation["attention"].shape == (len(seen.post), 0)
    html = explanation_html(seen)
    assert html.count("<rect") == 2
    assert html.count("<td") == 2 * len(seen.post)
    assert "The model sees no object." in explanation_html(blind)
    # The tagger's own answer to the same picture.
    (expected,) = model_of("agban").tag([POST], pictures=[pictures["sample-00812"]])
    assert answering.answer(POST, pictures["sample-00812"])[1].entities == expected.entities


def test_hsn_shows_regions_and_gamma(model_of, pictures):
    case, tagged = Answering(model_of("hsn"), pictures).answer(POST, pictures["sample-00812"])
    html = explanation_html(case)
    assert html.count("<rect") == 9
    assert f'id="mner-gamma">{case.explanation["gamma"].mean():.4f}<' in html
    words = post_html(case, tagged)
    assert words.count('class="token"') == len(case.post)
    assert words.count('class="gamma"') == len(case.post)
    assert words.count('class="entity"') == len(tagged.entities)
    for entity in tagged.entities:
        assert f"{entity.type} {100 * entity.score:.1f} %" in words


def test_what_is_typed_is_no_markup(model_of):
    case, tagged = Answering(model_of("text")).answer(POST)
    for html in (post_html(case, tagged), error_html(POST)):
        assert "<script" not in html
        assert "&lt;script" in html or "&lt;" in html
    assert "no attention to show" in explanation_html(case)


def test_a_post_runs_from_right_to_left_where_its_words_do(model_of, pictures):
    for kind in ("agban", "hsn"):
        answering = Answering(model_of(kind), pictures)
        for text, direction in (("RT @user وصلت شركة بوش إلى Bosch", "rtl"), ("Hello وصلت so proud", "ltr")):
            case, tagged = answering.answer(text, pictures["sample-00812"])
            assert f'<div class="mner-post" dir="{direction}"' in post_html(case, tagged)
            assert kind == "hsn" or f'<table class="mner-table" dir="{direction}">' in explanation_html(case)


def test_wrong_input_is_told(model_of, pictures, tmp_path):
    answering = Answering(model_of("agban"), pictures)
    for text in ("", "  \n"):
        with pytest.raises(InputError, match="expected a post, found no words"):
            answering.answer(text)
    with pytest.raises(InputError, match="at most 5,000 characters, found 6,000"):
        answering.answer("x" * 6000)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    with pytest.raises(InputError, match="bad.png: is no picture in JPEG"):
        answering.answer(POST, bad)
    with pytest.raises(InputError, match="bad.png: the model's features, tiles, are made without weights"):
        Answering(model_of("agban"), pictures, bad)
    text = Answering(model_of("text"), pictures)
    assert re.match("the model reads the text alone", text.no_pictures)
    with pytest.raises(InputError, match="the model reads the text alone"):
        text.answer(POST, pictures["sample-00812"])


def test_missing_data_of_the_part_of_speech_tagger_is_told(model_of, monkeypatch):
    from mner_keras.text import TaggerDataMissing

    def tag(*arguments):
        raise TaggerDataMissing("The data of NLTK's tagger is missing")

    model = model_of("hsn")
    monkeypatch.setattr(model, "tag", tag)
    with pytest.raises(InputError, match="The data of NLTK's tagger is missing"):
        Answering(model).answer(POST)


def test_pictures_are_swapped_in_turn(model_of, pictures):
    few = {key: pictures[key] for key in ("sample-00000", "sample-00001")}
    answering = Answering(model_of("text"), few)
    first = answering.next_picture(None)
    second = answering.next_picture(first)
    assert [first, second, answering.next_picture(second)] == [*map(str, few.values()), first]
    assert answering.next_picture("/elsewhere.png") == first
    assert Answering(model_of("text")).next_picture(None) is None
