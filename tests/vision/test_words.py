"""Words as a picture's features: the numbers, written with NumPy alone, and the files that are refused."""

import json
import re

import numpy as np
import pytest

from mner_keras.errors import InputError
from mner_keras.vision import FeatureStore, load_extractor
from mner_keras.vision.visual_input import VisualInput
from mner_keras.vision.words import extract_words

VECTORS = {
    "man": [1, 0, 2],
    "red": [0, 3, -1],
    "hot": [4, 1, 1],
    "dog": [-2, 2, 0],
    "café": [1, 1, 1],
    "the": [9, 9, 9],
}


@pytest.fixture
def vectors(tmp_path, monkeypatch):
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{word} {' '.join(map(str, row))}\n" for word, row in VECTORS.items()), encoding="utf-8")
    return path


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "words.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


def projections():
    """From vectors of 3 to regions and to objects; the second continues the first one's random numbers."""
    rng = np.random.default_rng(2015)
    return [rng.normal(0, 3**-0.5, (3, width)).astype("float32") for width in (512, 1024)]


def of(*words):
    return np.asarray([VECTORS[word] for word in words], "float32")


def test_a_caption_becomes_regions_that_share_its_words(write, vectors, tmp_path):
    file = write({"a.jpg": "The red man, 2 hot-dogs at THE Café!", "b": "the of a", "c.png": "xyzzy", "d": "Dog"})
    assert extract_words(file, vectors, tmp_path / "s.h5", count=5) == (2, 0, 2)
    store = FeatureStore(tmp_path / "s.h5")
    found, mask = store.read(["a", "d", "b"], 5)
    # Four words are known: red, man, hot, café (dogs is not); region i has word i * 4 // 5.
    np.testing.assert_allclose(
        found[0], of("red", "red", "man", "hot", "café") @ projections()[0], rtol=1e-3, atol=1e-3
    )
    np.testing.assert_allclose(found[1], of(*["dog"] * 5) @ projections()[0], rtol=1e-3, atol=1e-3)
    assert mask.tolist() == [[True] * 5, [True] * 5, [False] * 5]
    assert not store.blank(5).any()
    assert not store.lacks_blank
    expected = {"extractor": "words", "kind": "regions", "feature_dim": "512", "weights": "vectors.txt"}
    expected |= {"source": "words.json", "options": '{"regions": 5}'}
    assert store.attributes | expected == store.attributes
    assert "blank regions: zeros" in store.attributes["preprocessing"]
    visual = VisualInput("regions", 49, 512).of_store(store)
    assert (visual.count, visual.dim) == (5, 512)
    with pytest.raises(InputError, match="came from words: use --features with a store of words, not pictures"):
        load_extractor(visual)


def test_labels_become_objects_with_scores_and_boxes(write, vectors, tmp_path):
    seen = [
        {"label": "Hot dog", "score": 0.75, "box": [1, 2, 3, 4]},
        {"label": "xyzzy", "score": 0.5, "box": [0, 0, 9, 9]},
        {"label": "man of the xyzzy", "score": 1, "box": [5, 6, 7, 8.5]},
        {"label": "red", "score": 0.25, "box": [0, 0, 1, 1]},
    ]
    file = write({"a.jpg": seen, "b.jpg": ["dog", "dog"], "c.jpg": []})
    assert extract_words(file, vectors, tmp_path / "s.h5", "objects", 2) == (2, 0, 1)
    store = FeatureStore(tmp_path / "s.h5")
    found, mask = store.read(["a", "b", "c"], 3)
    # A label of several words is the mean of those that are known; labels have no stop words.
    rows = np.stack([of("hot", "dog").mean(0), of("man", "the").mean(0)])
    np.testing.assert_allclose(found[0, :2], rows @ projections()[1], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found[1, :2], of("dog", "dog") @ projections()[1], rtol=1e-3, atol=1e-3)
    assert mask.sum(1).tolist() == [2, 2, 0]
    objects = store.objects("a", 2)
    assert objects.names == ("Hot dog", "man of the xyzzy")
    assert (objects.scores.tolist(), objects.boxes.tolist()) == ([0.75, 1], [[1, 2, 3, 4], [5, 6, 7, 8.5]])
    objects = store.objects("b", 2)
    assert (objects.names, objects.boxes, objects.scores) == (("dog", "dog"), None, None)
    assert not store.lacks_blank


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "words.json: expected a JSON file of captions or labels, found none (Expecting value"),
        ('{"a": "b",\n', "line 2 column 1"),
        ("[" * 100_000, "expected a JSON file"),
        ("{}", "words of each picture by its name, found none"),
        ({"a": 3}, "a list of labels or of objects that all have `label`, `score`, `box` or fewer at 'a', found 3"),
        ({"a": {"label": "dog"}}, 'at \'a\', found {"label": "dog"}'),
        ({"a": ["dog", 3]}, "at 'a', found [\"dog\", 3]"),
        ({"a": [{"score": 1}]}, "at 'a', found [{\"score\": 1}]"),
        ({"a": [{"label": "dog", "score": float("nan")}]}, "at 'a', found"),
        ({"a": [{"label": "dog", "score": 10**400}]}, "at 'a', found"),
        ({"a": [{"label": "dog", "box": [1, 2, 3]}]}, "at 'a', found"),
        ({"a": [{"label": "dog", "bbox": [1, 2, 3, 4]}]}, "at 'a', found"),
        ({"a": [{"label": "dog", "score": 1}, "man"]}, '"score": 1}, "man"]'),
        ({"a.jpg": "dog", "a.png": "dog"}, "one picture of the id 'a', found a.jpg and a.png"),
        ('{"a": "dog", "a": "man"}', "expected each name once, found 'a' more often"),
        ({"_blank": "dog"}, "expected the name of a picture, found '_blank'"),
        ({"a": "xyzzy", "b": []}, "expected vectors of words in"),
    ],
)
def test_bad_files_are_refused(write, vectors, tmp_path, content, message):
    with pytest.raises(InputError, match=re.escape(message)) as found:
        extract_words(write(content), vectors, tmp_path / "s.h5")
    assert str(found.value).startswith(str(tmp_path))
    assert not (tmp_path / "s.h5").exists()


def test_files_that_cannot_be_read_are_refused(write, vectors, tmp_path):
    with pytest.raises(InputError, match=r"none.json: expected a JSON file .* \(No such file or directory\)"):
        extract_words(tmp_path / "none.json", vectors, tmp_path / "s.h5")
    path = write({"a": "dog"})
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(InputError, match="words.json: expected a JSON file .* can't decode byte"):
        extract_words(path, vectors, tmp_path / "s.h5")
    with pytest.raises(InputError, match="expected a folder to write into"):
        extract_words(write({"a": "dog"}), vectors, tmp_path / "no" / "s.h5")
