"""`FeatureStore`: the pictures' vectors out of HDF5 files, ours and Zhang et al.'s."""

import os
import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest

from mner_keras.errors import InputError
from mner_keras.vision import FeatureStore


@pytest.fixture
def path(tmp_path):
    """Pictures `a` of three vectors and `b` of one, both of width 2, and a blank picture."""
    path = tmp_path / "store.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.array([[1, 2], [3, 4], [5, 6]], "float16")
        file["b"] = np.array([[7.5, 8.5]], "float32")
        file["_blank"] = np.array([[9, 9], [8, 8]], "float16")
        file.attrs.update({"extractor": "vgg16", "weights_hash": "abc"})
    return path


def make(folder, **datasets):
    path = folder / "made.h5"
    with h5py.File(path, "w") as file:
        for name, value in datasets.items():
            file[name] = value
    return path


def test_pictures_are_read_by_id_in_any_order(path):
    store = FeatureStore(path)
    assert (store.count, store.dim, len(store)) == (3, 2, 2)
    assert store.attributes == {"extractor": "vgg16", "weights_hash": "abc"}
    features, mask = store.read(["b", "a", "b", None, "nowhere"], 3)
    assert (features.dtype, mask.dtype) == (np.float32, bool)
    a, b, none = [[1, 2], [3, 4], [5, 6]], [[7.5, 8.5], [0, 0], [0, 0]], [[0, 0]] * 3
    assert features.tolist() == [b, a, b, none, none]
    assert mask.tolist() == [[True, False, False], [True] * 3, [True, False, False], [False] * 3, [False] * 3]
    assert store.read(["a"], 2)[0].tolist() == [a[:2]]  # no more of `a` than asked for
    assert [array.shape for array in store.read([], 3)] == [(0, 3, 2), (0, 3)]
    # The blank picture is none of them.
    assert [key for key in ("a", "nowhere", "_blank", None, 5) if key in store] == ["a"]


@pytest.mark.parametrize("key", ["7", "7.jpg", "7.JFIF", "7.jpg_large", " 7 "])
def test_keys_of_the_file_are_read_as_ids(tmp_path, key):
    store = FeatureStore(make(tmp_path, **{key: np.full((2, 3), 5, "float32")}))
    assert "7" in store
    assert "7.png" in store
    np.testing.assert_array_equal(store.read(["7"], 2)[0], np.full((1, 2, 3), 5))
    store.close()
    two = make(tmp_path, **{key: np.zeros((2, 3)), "7.png": np.zeros((2, 3))})
    with pytest.raises(InputError, match="expected one picture of the id '7', found .*7.png"):
        FeatureStore(two).read(["7"], 1)


@pytest.mark.parametrize("odd", [".", "/", "", "..", "\x00", "\ud800", "\u00a0", "x" * 5000], ids=ascii)
def test_an_id_that_no_picture_can_have_is_not_held(path, odd):
    store = FeatureStore(path)
    assert odd not in store
    assert not any(array.any() for array in store.read([odd], 2))


def test_the_blank_picture_is_the_stores_own_else_zeros(path, tmp_path):
    assert FeatureStore(path).blank(3).tolist() == [[9, 9], [8, 8], [0, 0]]
    assert FeatureStore(path).blank(1).tolist() == [[9, 9]]
    assert not FeatureStore(path).lacks_blank
    without = FeatureStore(make(tmp_path, a=np.ones((2, 2))))
    assert without.blank(3).tolist() == [[0, 0]] * 3
    assert without.blank(3).dtype == np.float32
    assert without.lacks_blank
    without.close()
    with h5py.File(without.path, "r+") as file:
        file.attrs["kind"] = "objects"
    assert not FeatureStore(without.path).lacks_blank
    alone = FeatureStore(make(tmp_path, _blank=np.ones((4, 5))))
    assert (alone.count, alone.dim, len(alone)) == (4, 5, 0)


def test_vgg16_features_of_zhang_are_read_as_49_regions_row_by_row(tmp_path):
    maps = np.random.default_rng(0).normal(size=(1, 512, 7, 7)).astype("float32")
    path = tmp_path / "img_vgg_features.h5"
    with h5py.File(path, "w") as file:
        file["16_05_01_123.jpg"] = maps
        file["16_05_01_456.jpg"] = 2 * maps
    store = FeatureStore(path)
    assert (store.count, store.dim) == (49, 512)
    assert "16_05_01_123" in store
    features, mask = store.read(["16_05_01_123", "16_05_01_456.jpg"], 49)
    assert mask.all()
    for row in range(7):
        for column in range(7):
            np.testing.assert_array_equal(features[0, 7 * row + column], maps[0, :, row, column])
    np.testing.assert_array_equal(features[1], 2 * features[0])
    np.testing.assert_array_equal(store.read(["16_05_01_123"], 5)[0][0], features[0, :5])


def test_a_store_travels_to_another_process_and_opens_again(path):
    store = FeatureStore(path)
    again = pickle.loads(pickle.dumps(store))
    assert again.read(["a"], 1)[0].tolist() == [[[1, 2]]]
    store.close()
    assert store.read(["b"], 1)[0].tolist() == [[[7.5, 8.5]]]
    store.close()
    store.close()


def test_each_reason_why_a_file_does_not_open_has_its_message(path, tmp_path):
    text, empty, cut, damaged = (tmp_path / f"{name}.h5" for name in ("text", "empty", "cut", "damaged"))
    text.write_text("no HDF5 at all", encoding="utf-8")
    empty.write_bytes(b"")
    cut.write_bytes(path.read_bytes()[: os.path.getsize(path) // 2])
    damaged.write_bytes(path.read_bytes()[:8] + bytes([255] * 2000))
    with pytest.raises(InputError, match="none.h5: expected a feature store, found no such file"):
        FeatureStore(tmp_path / "none.h5")
    for wrong, found in (
        (text, "found another kind of file"),
        (empty, "found another kind of file"),
        (cut, "found a truncated file: copy or create it again"),
        (damaged, "found a damaged HDF5 file"),
    ):
        with pytest.raises(InputError) as caught:
            len(FeatureStore(wrong))
        assert str(caught.value) == f"{wrong}: expected a feature store (HDF5), {found}"


def test_a_store_that_another_process_writes_is_told(path):
    code = "import h5py, sys; file = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(InputError, match="another process holds the file open for writing"):
            len(FeatureStore(path))


def test_opening_reads_no_values(path, monkeypatch):
    def read(*_):
        raise AssertionError("a value was read")

    monkeypatch.setattr(FeatureStore, "_vectors", read)
    store = FeatureStore(path)
    assert (store.count, store.dim, len(store), "a" in store) == (3, 2, 2, True)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_is_refused_by_id_when_it_is_read(tmp_path, value):
    vectors = np.array([[1, 2], [3, value]])
    store = FeatureStore(make(tmp_path, a=np.ones((2, 2)), b=vectors, _blank=vectors))
    assert store.read(["a", "b"], 1)[1].all()  # the bad vector is not among the first
    for read, where in (
        (lambda: store.read(["a", "b", "b"], 2), "'b'"),
        (lambda: store.blank(2), "'_blank'"),
        (store.check, "'_blank'"),
    ):
        with pytest.raises(InputError) as caught:
            read()
        assert str(caught.value) == f"{store.path}: expected finite numbers, found NaN or infinity at {where}"
    store.close()
    store = FeatureStore(make(tmp_path, **dict.fromkeys("abcde", np.full((1, 2), value))))
    with pytest.raises(InputError, match="at 'e', 'a', 'b' and 1 more$"):
        store.read(["e", "a", "b", "e", "d"], 1)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("a", np.ones(5), "float64 of shape (5,)"),
        ("a", np.ones((2, 3, 4)), "float64 of shape (2, 3, 4)"),
        ("a", np.ones((2, 512, 7, 7)), "float64 of shape (2, 512, 7, 7)"),
        ("a", np.float32(1), "float32 of shape ()"),
        ("a", np.array([[b"x", b"y"]]), "|S1 of shape (1, 2)"),
        ("a/features", np.ones((2, 2)), "a group or data that cannot be read (damaged file?)"),
    ],
)
def test_what_holds_no_vectors_is_an_error(tmp_path, name, value, found):
    path = make(tmp_path, **{name: value})
    with pytest.raises(InputError) as caught:
        _ = FeatureStore(path).dim
    assert str(caught.value) == f"{path}: expected floats of shape [k, f] at 'a', found {found}"


def test_a_picture_of_another_width_is_an_error_when_it_is_read(tmp_path):
    store = FeatureStore(make(tmp_path, a=np.ones((2, 3)), b=np.ones((2, 4)), none=np.ones((0, 3))))
    assert store.read(["a", "none"], 2)[1].tolist() == [[True, True], [False, False]]  # a picture without an object
    with pytest.raises(InputError) as caught:
        store.read(["a", "b"], 2)
    assert str(caught.value) == f"{store.path}: expected vectors of 3 at 'b', found 4"
    store.close()
    with pytest.raises(InputError, match="made.h5: expected a dataset for each image id, found none"):
        _ = FeatureStore(make(tmp_path)).dim
