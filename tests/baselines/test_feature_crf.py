"""The feature-based CRFs after Stanford NER and T-NER."""

import json
import re
import sys
import zipfile

import pytest
from small_corpus import make_posts

from mner_keras import InputError, Post
from mner_keras.baselines.feature_crf import FeatureCRF
from mner_keras.baselines.token_features import read_gazetteers, stanford_features, t_ner_features, word_shape

POSTS = make_posts("train") + make_posts("dev")


@pytest.fixture
def gazetteers(tmp_path):
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "city.txt").write_text("New York City\nNew York\n\nRome\n", encoding="utf-8")
    (folder / "person.txt").write_text("Bob Lee\nYork\n", encoding="utf-8")
    return folder


# --- Features ---


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("Ann", "Xxx"),
        ("Rome", "Xxxx"),
        ("London", "Xxxxx"),
        ("iPhone6s", "xXxdx"),
        ("2018", "dddd"),
        ("12:30:45", "dd:ddd"),
        ("A", "X"),
        ("x-y", "x-x"),
        ("\u00c9mile", "Xxxxx"),
        ("!", "!"),
    ],
)
def test_word_shapes(word, shape):
    assert word_shape(word) == shape


def test_stanford_features_of_a_token_in_its_surroundings():
    rows = list(stanford_features(["we", "saw", "Bob", "Lee", "in", "New", "York"]))
    bob = rows[2]
    for feature in (
        "w=Bob",
        "w-1=saw",
        "w+1=Lee",
        "w-1,w=saw|Bob",
        "w,w+1=Bob|Lee",
        "prefix=Bo",
        "suffix=ob",
        "shape=Xxx",
        "shapes-1,0,1=xxx|Xxx|Xxx",
        "left=we",
        "left=saw",
        "right=Lee",
        "right=York",
    ):
        assert feature in bob, feature
    assert "left=Bob" not in bob and "right=Bob" not in bob
    assert "right=</s>" not in bob and "w-1=<s>" in rows[0] and "w+1=</s>" in rows[-1]
    # Four to the left, and no further.
    assert "left=we" not in rows[5] and "left=saw" in rows[5]
    assert [f for f in next(stanford_features(["abcdefgh"])) if f.startswith("prefix")][-1] == "prefix=abcdef"
    assert all(len(row) == len(set(row)) for row in rows)


def test_t_ner_features_of_spelling_and_lists(gazetteers):
    lists = read_gazetteers(gazetteers)
    assert lists == {
        "city": {("new", "york", "city"), ("new", "york"), ("rome",)},
        "person": {("bob", "lee"), ("york",)},
    }
    rows = list(t_ner_features(["@ann", "saw", "#Rome", "in", "NEW", "york", "City"], lists))
    assert "is=user" in rows[0] and "first" in rows[0] and "w-1=<s>" in rows[0]
    assert {"is=hashtag", "w=#Rome", "w-1=saw", "w+2=new"} <= set(rows[2])
    assert {"is=capitals", "is=capitalised", "list+0=city", "list+1=person"} <= set(rows[4])
    assert {"list+0=city", "list+0=person", "list-1=city", "list+1=city"} <= set(rows[5])
    assert {"list+0=city", "last"} <= set(rows[6]) and "list+0=person" not in rows[6]
    assert not any("list+0" in feature for row in rows[:4] for feature in row)
    assert "is=roman" in next(t_ner_features(["XIV"], {})) and "is=initial" in next(t_ner_features(["J."], {}))


def test_a_folder_without_lists_is_an_error(tmp_path):
    with pytest.raises(InputError, match=re.escape(f"{tmp_path}: expected a folder of gazetteers")):
        read_gazetteers(tmp_path)


# --- The model ---


@pytest.mark.parametrize("features", ["stanford", "t-ner"])
def test_posts_are_learnt_by_heart_and_the_file_knows_them(features, gazetteers, tmp_path):
    pytest.importorskip("pycrfsuite")
    model = FeatureCRF(features, gazetteers if features == "t-ner" else None, l2=0.001)
    assert model.fit(POSTS, epochs=60) is model
    tagged = model.tag(POSTS)
    assert [t.tags for t in tagged] == [post.tags for post in POSTS]
    losses = [row["loss"] for row in model.history]
    assert 0 < len(losses) <= 60 and losses[-1] < losses[0]
    assert model.num_parameters > len(POSTS)
    assert all(0 < entity.score <= 1 + 1e-6 for t in tagged for entity in t.entities)
    model.save(tmp_path / "model.crf")
    loaded = FeatureCRF.load(tmp_path / "model.crf")
    assert (loaded.features, loaded.l1, loaded.l2) == (model.features, model.l1, model.l2)
    assert loaded.lists == model.lists
    assert loaded.tag(POSTS) == tagged
    entity = loaded.tag(["  Anna saw  Rome"])[0].entities[0]
    assert (entity.text, entity.type, entity.start_char) == ("Anna", "PER", 2)
    assert len(loaded.tag([["Ann"]])[0].tags) == 1
    assert loaded.tag([]) == []


def test_what_cannot_be_is_refused(tmp_path, gazetteers):
    pytest.importorskip("pycrfsuite")
    for arguments, message in (
        ({"features": "bert"}, "`features` must be 'stanford' or 't-ner'. Received: features='bert'"),
        ({"l1": -1}, "`l1` must be a number of at least 0. Received: l1=-1"),
        ({"l2": "no"}, "`l2` must be a number of at least 0. Received: l2='no'"),
        ({"gazetteers": "lists"}, "`gazetteers` must be None with features='stanford'. Received: gazetteers='lists'"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            FeatureCRF(**arguments)
    for posts, found in (([], "none"), ([Post(("a",))], "some without")):
        with pytest.raises(InputError, match=f"^expected posts with tags to train on, found {found}$"):
            FeatureCRF().fit(posts)
    with pytest.raises(ValueError, match="^`tag` needs a trained model"):
        FeatureCRF().tag(["Ann"])
    with pytest.raises(ValueError, match="^`save` needs a trained model"):
        FeatureCRF().save(tmp_path / "model.crf")
    path = tmp_path / "other"
    with pytest.raises(InputError, match="expected a feature CRF; "):
        FeatureCRF.load(path)
    path.write_bytes(b"text")
    with pytest.raises(InputError, match="expected a feature CRF, found another kind of file"):
        FeatureCRF.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"format": "feature-crf 9"}))
        archive.writestr("model.crfsuite", b"")
    with pytest.raises(InputError, match="expected a feature CRF of this version"):
        FeatureCRF.load(path)


def test_the_missing_extra_is_named_before_anything_is_done(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycrfsuite", None)
    with pytest.raises(InputError, match=r"^a feature CRF needs python-crfsuite: pip install 'mner-keras\[crf\]'$"):
        FeatureCRF()
