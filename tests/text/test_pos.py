import os
import re
from pathlib import Path

import pytest

from mner_keras.text import POS_CATEGORIES, TaggerDataMissing, pos, pos_category, tag_pos

TAGS_OF = {
    "Adjective": ["JJ", "JJR", "JJS"],
    "Verb": ["VB", "VBD", "VBG", "VBN", "VBP", "VBZ", "MD"],
    "Noun": ["NN", "NNS", "NNP", "NNPS"],
    "Preposition or subordinating conjunction": ["IN", "TO"],
    "Coordinating conjunction": ["CC"],
    "Symbol": ["SYM", "#", "$"],
    "Wh-pronoun": ["WP", "WP$"],
    "Adverb": ["RB", "RBR", "RBS"],
    "Determiner": ["DT", "PDT", "WDT"],
    "Other": ["PRP", "PRP$", "CD", "RP", "WRB", "UH", "EX", "FW", "LS", "POS", ".", ",", ":", "''", "", "nonsense"],
}


@pytest.fixture
def tagger_data(monkeypatch):
    root = os.environ.get("MNER_DATA")
    if not root:
        pytest.skip("MNER_DATA is not set: no tagger data")
    import nltk.data

    folder = str(Path(root, "nltk_data"))
    if folder not in nltk.data.path:
        monkeypatch.setattr(nltk.data, "path", [folder, *nltk.data.path])


def test_categories_in_the_papers_order_and_their_tags():
    assert tuple(TAGS_OF) == POS_CATEGORIES
    assert {
        category: [tag for tag in tags if pos_category(tag) == category] for category, tags in TAGS_OF.items()
    } == TAGS_OF


def test_tags_of_a_sentence(tagger_data):
    assert tag_pos([["The", "cat", "sat", "on", "the", "mat", "."], [], ["She", "sings"]]) == [
        ("DT", "NN", "VBD", "IN", "DT", "NN", "."),
        (),
        ("PRP", "VBZ"),
    ]


def test_one_tag_for_each_odd_token(tagger_data):
    odd = [*("\u00a0", "", "   ", "\U0001f600", "\u200b", "\ud83d", "\n", "-", "²", "٣"), "a" * 5000, "-" * 5000]
    (tags,) = tag_pos([odd])
    assert len(tags) == len(odd)
    assert all(tags)
    assert all(len(tag_pos([[token]])[0]) == 1 for token in odd)


def test_every_tag_of_the_model_has_a_category(tagger_data):
    assert {pos_category(tag) for tag in pos._load_tagger().classes} == set(POS_CATEGORIES)


def test_missing_data_says_how_to_get_it(no_tagger_data):
    with pytest.raises(TaggerDataMissing) as caught:
        tag_pos([["word"]])
    message = str(caught.value)
    assert "python -m nltk.downloader averaged_perceptron_tagger_eng" in message
    assert "NLTK_DATA" in message
    assert message.count("\n") <= 1
    assert "***" not in message
    assert caught.value.__suppress_context__


def test_a_sentence_must_not_be_a_string(tagger_data):
    with pytest.raises(TypeError, match=re.escape("must be sequences of tokens. Received: the string 'a whole tweet'")):
        tag_pos(["a whole tweet"])
