"""`PostPreprocessor`: vocabularies, ids, and its JSON."""

import json
import os

import h5py
import numpy as np
import pytest

from mner_keras.data import Post, PostPreprocessor
from mner_keras.data.preprocessor import FIRST, UNKNOWN, needed_words
from mner_keras.errors import InputError
from mner_keras.text import POS_CATEGORIES, WordVectors, pos_category
from mner_keras.vision.visual_input import MASK_RCNN_OBJECTS, VGG16_REGIONS, VisualInput

POSTS = [
    Post(("Anna", "saw", "Rome", "2day"), ("B-PER", "O", "B-LOC", "O"), pos=("NNP", "VBD", "NNP", "NN")),
    Post(("saw", "saw", "NASA"), ("O", "O", "B-ORG"), pos=("VBD", "VBD", "NNP")),
]


def vectors(**rows):
    matrix = np.array(list(rows.values()), "float32")
    return WordVectors(tuple(rows), matrix, "made up", "", [], 0)


def test_words_of_the_training_posts_come_commonest_first():
    preprocessor = PostPreprocessor.fit(POSTS)
    assert preprocessor.words == ["saw", "Anna", "Rome", "2day", "NASA"]
    assert preprocessor.word_id("saw") == FIRST == 2
    assert preprocessor.vocabulary_size == 2 + 5
    assert sorted({preprocessor.word_id(word) for word in preprocessor.words}) == list(range(2, 7))


def test_posts_without_entities_and_tags_of_unknown_types_are_refused():
    with pytest.raises(InputError) as caught:
        PostPreprocessor.fit(POSTS).tag_ids(("O", "B-OTHER"))
    assert str(caught.value) == "expected tags of LOC, ORG, PER, found 'B-OTHER'"
    for posts in ([Post(("a",), ("O",))], [Post(("a",))], []):
        with pytest.raises(InputError, match="must contain at least one entity, found none"):
            PostPreprocessor.fit(posts)


def test_a_word_is_looked_up_as_written_and_then_lower_cased():
    posts = [Post(("US", "us", "Rome", "paris"), ("B-LOC", "O", "B-LOC", "B-LOC"))]
    preprocessor = PostPreprocessor.fit(posts)
    assert preprocessor.word_id("US") != preprocessor.word_id("us")
    assert preprocessor.word_id("Paris") == preprocessor.word_id("PARIS") == preprocessor.word_id("paris") > UNKNOWN
    # Only the word that is looked up is lower-cased, never the vocabulary.
    assert preprocessor.word_id("rome") == UNKNOWN == 1


def test_a_word_of_the_training_posts_comes_before_a_frozen_one():
    preprocessor = PostPreprocessor.fit(POSTS, vectors(saw=[1, 1], oslo=[2, 2], Oslo=[3, 3], SAW=[4, 4]))
    assert preprocessor.frozen_words == ["oslo", "Oslo", "SAW"]
    assert preprocessor.frozen_vocabulary_size == 3
    assert preprocessor.word_id("saw") < preprocessor.vocabulary_size
    assert preprocessor.word_id("oslo") == preprocessor.vocabulary_size
    assert preprocessor.word_id("Oslo") == preprocessor.vocabulary_size + 1
    assert preprocessor.word_id("OSLO") == preprocessor.word_id("oslo")
    # As written in the frozen table goes before lower-cased in the trained one.
    assert preprocessor.word_id("SAW") == preprocessor.vocabulary_size + 2
    assert preprocessor.word_id("Saw") == preprocessor.word_id("saw")
    assert preprocessor.word_id("nowhere") == UNKNOWN


def test_digits_are_folded_in_words_and_characters():
    posts = [Post(("2day", "24/7", "Anna"), ("O", "O", "B-PER"))]
    folded, plain = PostPreprocessor.fit(posts, fold_digits=True), PostPreprocessor.fit(posts)
    assert folded.words == ["0day", "00/0", "Anna"]
    assert folded.word_id("9day") == folded.word_id("2day") > UNKNOWN
    assert folded.char_ids("5") == folded.char_ids("0") != [UNKNOWN]
    assert plain.word_id("9day") == UNKNOWN
    assert plain.char_ids("5") == [UNKNOWN]
    assert needed_words(posts, fold_digits=True) == {"0day", "00/0", "Anna"}
    assert needed_words(posts) == {"2day", "24/7", "Anna"}
    # Only the ten digits of ASCII are folded.
    assert folded.word_id("\u0662day") == UNKNOWN


def test_characters_are_known_one_by_one_and_cut_at_the_maximum():
    posts = [Post(("abcd", "Q"), ("B-X", "O"))]
    preprocessor = PostPreprocessor.fit(posts, max_characters=3)
    assert preprocessor.characters == ["Q", "a", "b", "c"]
    assert preprocessor.char_vocabulary_size == 2 + 4
    assert preprocessor.char_ids("abcd") == [3, 4, 5]
    assert preprocessor.char_ids("cd") == [5, UNKNOWN]
    assert preprocessor.char_ids("x" * 5000) == [UNKNOWN] * 3


def test_a_transductive_vocabulary_holds_the_words_of_all_posts():
    more = [Post(("Oslo", "saw"), ("B-OTHER", "O"))]
    assert PostPreprocessor.fit(POSTS).word_id("Oslo") == UNKNOWN
    preprocessor = PostPreprocessor.fit(POSTS, other_posts=more)
    assert preprocessor.word_id("Oslo") > UNKNOWN
    assert "OTHER" in preprocessor.types
    assert "O" in preprocessor.characters


def test_a_singleton_occurs_once_in_the_training_posts_whatever_the_other_posts_hold():
    train = [Post(("a", "a", "b", "c"), ("B-PER", "O", "O", "O"))]
    alone = PostPreprocessor.fit(train)
    assert (alone.words, alone.num_singletons) == (["a", "b", "c"], 2)
    preprocessor = PostPreprocessor.fit(train, other_posts=[Post(("b", "b", "d", "a"), ("O",) * 4)])
    assert (preprocessor.words, preprocessor.num_singletons) == (["a", "d", "b", "c"], 2)


def test_pretrained_rows_stand_where_their_words_stand():
    preprocessor = PostPreprocessor.fit(POSTS, vectors(oslo=[9, 9], saw=[1, 2], rome=[3, 4]))
    rows, known, frozen = preprocessor.word_vectors()
    assert rows.shape == (preprocessor.vocabulary_size, 2)
    assert rows.dtype == frozen.dtype == np.float32
    np.testing.assert_array_equal(rows[preprocessor.word_id("saw")], [1, 2])
    # `Rome` takes the vector of `rome`; that word keeps a frozen row of its own.
    np.testing.assert_array_equal(rows[preprocessor.word_id("Rome")], [3, 4])
    assert [preprocessor.words[i - FIRST] for i in np.flatnonzero(known)] == ["saw", "Rome"]
    assert not rows[~known].any()
    np.testing.assert_array_equal(frozen[preprocessor.word_id("oslo") - preprocessor.vocabulary_size], [9, 9])
    np.testing.assert_array_equal(frozen[preprocessor.word_id("rome") - preprocessor.vocabulary_size], [3, 4])
    assert PostPreprocessor.fit(POSTS, vectors(saw=[1, 2])).word_vectors()[2].shape == (0, 2)
    with pytest.raises(ValueError, match="`vectors` must be given to `fit_preprocessor`"):
        PostPreprocessor.fit(POSTS).word_vectors()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_pos": False, "fold_digits": True, "max_characters": 7},
        {"visual": VisualInput("objects", 3, 8, "e", "h", "o")},
        {"vectors": vectors(saw=[1, 2], oslo=[3, 4])},
    ],
)
def test_the_preprocessor_comes_back_from_json(options):
    posts = [*POSTS, Post(("\u00a0", "\U0001f600", "\u200e"), ("O", "O", "O"))]
    preprocessor = PostPreprocessor.fit(posts, **options)
    text = json.dumps(preprocessor.get_config())
    again = PostPreprocessor.from_config(json.loads(text))
    assert again.get_config() == preprocessor.get_config()
    assert json.dumps(again.get_config()) == text
    assert again.visual == preprocessor.visual
    words = ["saw", "Oslo", "\u00a0", "nowhere", "2DAY"]
    assert [again.word_id(word) for word in words] == [preprocessor.word_id(word) for word in words]
    assert [again.char_ids(word) for word in words] == [preprocessor.char_ids(word) for word in words]
    assert (again.tags, again.num_singletons) == (preprocessor.tags, preprocessor.num_singletons)


def test_what_made_the_features_is_kept_and_so_is_the_blank_picture(tmp_path):
    path = tmp_path / "regions.h5"
    with h5py.File(path, "w") as file:
        file["1"] = np.ones((4, 3), "float16")
        file["_blank"] = np.full((4, 3), 0.1, "float32")
        file.attrs.update({"extractor": "vgg16", "weights": "imagenet", "weights_hash": "abc"})
    preprocessor = PostPreprocessor.fit(POSTS, features=path, visual=VGG16_REGIONS)
    # The number of regions is the store's, that of objects the model's.
    assert preprocessor.visual == VisualInput("regions", 4, 3, "vgg16", "abc")
    np.testing.assert_array_equal(preprocessor.blank, np.full((4, 3), 0.1, "float32"))
    again = PostPreprocessor.from_config(json.loads(json.dumps(preprocessor.get_config())))
    np.testing.assert_array_equal(again.blank, preprocessor.blank)
    assert str(path) not in json.dumps(preprocessor.get_config())
    of_objects = PostPreprocessor.fit(POSTS, features=path, visual=MASK_RCNN_OBJECTS)
    assert (of_objects.visual.count, of_objects.visual.dim, of_objects.blank) == (3, 3, None)


def test_a_store_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`kind` must be 'regions' or 'objects'. Received: kind='faces'"):
        VisualInput("faces", 1, 1)
    path = tmp_path / "objects.h5"
    with h5py.File(path, "w") as file:
        file["1"] = np.ones((2, 3), "float16")
        file.attrs["kind"] = "objects"
    with pytest.raises(InputError, match=r"objects\.h5: expected a store of regions, found one of objects"):
        PostPreprocessor.fit(POSTS, features=path, visual=VGG16_REGIONS)


# === Parts of speech ===


def category_ids(*tags):
    return [1 + POS_CATEGORIES.index(pos_category(tag)) for tag in tags]


def test_parts_of_speech_that_come_with_a_post_are_taken(no_tagger_data):
    preprocessor = PostPreprocessor.fit(POSTS)
    assert preprocessor.pos_ids(POSTS) == [category_ids("NNP", "VBD", "NNP", "NN"), category_ids("VBD", "VBD", "NNP")]
    assert preprocessor.pos_vocabulary_size == 11
    strange = Post(("Rome", "runs"), pos=("RB", "???"))
    assert preprocessor.pos_ids([strange]) == [category_ids("RB", "LS")]


def test_missing_parts_of_speech_are_made_by_nltk_and_go_to_their_own_posts():
    if not os.environ.get("NLTK_DATA"):
        pytest.skip("NLTK_DATA names no folder with the tagger's data")
    preprocessor = PostPreprocessor.fit(POSTS)
    given = Post(("a", "b", "c"), pos=("CC", "CC", "CC"))
    first, second = Post(("She", "quickly", "ran")), Post(("and", "the", "dog"))
    ids = preprocessor.pos_ids([first, given, second])
    assert ids[0] == category_ids("PRP", "RB", "VBD")
    assert ids[1] == category_ids("CC", "CC", "CC")
    assert ids[2] == category_ids("CC", "DT", "NN")


def test_a_model_without_parts_of_speech_needs_no_tagger(no_tagger_data):
    preprocessor = PostPreprocessor.fit(POSTS, use_pos=False)
    inputs = next(iter(preprocessor.dataset([Post(("a",))])))
    assert "pos_ids" not in inputs
