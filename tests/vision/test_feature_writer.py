"""`FeatureWriter`: whole at every moment, complete after the second run, and never over another file by accident."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from extraction_runs import extraction_process, write_pictures

from mner_keras.errors import InputError
from mner_keras.vision import FeatureStore, FeatureWriter, feature_writer

ABOUT = {"extractor": "stub", "weights_hash": "abc"}


def vectors(number, shape=(3, 4)):
    return np.random.default_rng(number).normal(size=shape).astype("float32")


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_added_is_read_back(tmp_path):
    path = tmp_path / "store.h5"
    with FeatureWriter(path, {**ABOUT, "weights": None, "feature_dim": 4}, "float16") as writer:
        for name in ("b", "_blank"):
            writer.add(name, vectors(ord(name[0])))
        writer.add("a", vectors(1), ["cat", "d\u00f6g", "car"], np.arange(12).reshape(3, 4), np.array([0.9, 0.8, 0.1]))
        writer.add("none", np.zeros((0, 4)), [], np.zeros((0, 4)), np.zeros(0))
        assert [name for name in "abc" if name in writer] == ["a", "b"]
        assert len(writer) == 3
        with pytest.raises(InputError, match="expected 3 names"):
            writer.add("c", vectors(1), ["cat"])
    store = FeatureStore(path)
    np.testing.assert_array_equal(store.read(["b"], 3)[0][0], vectors(ord("b")).astype("float16"))
    np.testing.assert_array_equal(store.blank(3), vectors(ord("_")).astype("float16"))
    assert store.attributes == {**ABOUT, "dtype": "float16", "feature_dim": "4"}
    found = store.objects("a", 3)
    assert found.names == ("cat", "d\u00f6g", "car")
    assert found.boxes.tolist() == np.arange(12).reshape(3, 4).tolist()
    assert found.scores.tolist() == [0.9, 0.8, 0.1]
    assert store.dataset("none").shape == (0, 4)
    assert left_in(tmp_path) == ["store.h5"]


def test_a_second_writer_goes_on_and_the_store_does_not_tell(tmp_path):
    once, twice = tmp_path / "once.h5", tmp_path / "twice.h5"
    with FeatureWriter(once, ABOUT) as writer:
        for name in "abcdef":
            writer.add(name, vectors(ord(name)))
    with FeatureWriter(twice, ABOUT) as writer:
        for name in "fb":
            writer.add(name, vectors(ord(name)))
    with FeatureWriter(twice, ABOUT) as writer:
        assert [name for name in "abcdef" if name in writer] == ["b", "f"]
        for name in "edca":
            writer.add(name, vectors(ord(name)))
    assert once.read_bytes() == twice.read_bytes()
    before = os.stat(twice).st_mtime_ns
    with FeatureWriter(twice, ABOUT):
        pass
    assert os.stat(twice).st_mtime_ns == before  # nothing to add
    assert left_in(tmp_path) == ["once.h5", "twice.h5"]


def test_after_an_error_what_was_made_is_kept_and_marked_unfinished(tmp_path, monkeypatch):
    path, parts = tmp_path / "store.h5", tmp_path / "store.h5.parts"
    monkeypatch.setattr(feature_writer, "SHARD_SECONDS", 0)
    with pytest.raises(RuntimeError), FeatureWriter(path, ABOUT) as writer:
        writer.add("a", vectors(1))
        writer.add("b", vectors(2))
        raise RuntimeError
    store = FeatureStore(path)
    assert len(store) >= 1
    assert store.attributes["unfinished"] == "True"
    store.close()
    # A damaged shard is made again.
    parts.mkdir(exist_ok=True)
    (parts / "000009.h5").write_bytes(b"\x89HDF")
    (parts / ".unfinished-000001.h5").write_bytes(b"")
    with FeatureWriter(path, ABOUT) as writer:
        assert "a" in writer
        assert "b" in writer
    assert "unfinished" not in FeatureStore(path).attributes
    assert left_in(tmp_path) == ["store.h5"]


@pytest.mark.parametrize(
    ("attributes", "dtype", "found"),
    [
        ({"extractor": "other", "weights_hash": "abc"}, "float32", "extractor 'other' to go on with, found 'stub'"),
        ({"extractor": "stub", "weights_hash": "def"}, "float32", "weights_hash 'def' to go on with, found 'abc'"),
        ({**ABOUT, "precision": "float32"}, "float32", "precision 'float32' to go on with, found None"),
        (ABOUT, "float16", "dtype 'float16' to go on with, found 'float32'"),
    ],
)
def test_a_store_of_something_else_is_not_gone_on_with(tmp_path, attributes, dtype, found):
    path = tmp_path / "store.h5"
    with FeatureWriter(path, ABOUT) as writer:
        writer.add("a", vectors(1))
    before = path.read_bytes()
    with pytest.raises(InputError) as caught:
        FeatureWriter(path, attributes, dtype)
    assert str(caught.value) == f"{path}: expected a store of {found}; --overwrite replaces it"
    assert path.read_bytes() == before
    assert left_in(tmp_path) == ["store.h5"]
    with FeatureWriter(path, attributes, dtype, overwrite=True) as writer:
        assert len(writer) == 0
        writer.add("b", vectors(2))
    assert FeatureStore(path).attributes["extractor"] == attributes["extractor"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_that_is_no_store_is_never_replaced(tmp_path, overwrite):
    thesis, other = tmp_path / "thesis.h5", tmp_path / "other.h5"
    thesis.write_text("my thesis", encoding="utf-8")
    with h5py.File(other, "w") as file:
        file["a"] = np.ones((2, 2))
    for path in (thesis, other):
        before = path.read_bytes()
        with pytest.raises(InputError, match="expected a feature store"):
            FeatureWriter(path, ABOUT, overwrite=overwrite)
        assert path.read_bytes() == before


def test_two_writers_at_once_are_refused(tmp_path):
    pytest.importorskip("fcntl")
    path = tmp_path / "store.h5"
    with FeatureWriter(path, ABOUT) as writer:
        with pytest.raises(InputError, match="another process is writing this store"):
            FeatureWriter(path, ABOUT)
        writer.add("a", vectors(1))
    assert len(FeatureStore(path)) == 1


def test_what_hdf5_or_the_dtype_cannot_hold_is_refused(tmp_path):
    with FeatureWriter(tmp_path / "store.h5", ABOUT, "float16") as writer:
        writer.add("a.jpg", vectors(1))
        assert "a" in writer
        assert "a.png" in writer
        for image_id, value, found in (
            ("a", vectors(1), "expected a picture once, found 'a' twice"),
            ("a.jpg", vectors(1), "expected a picture once, found 'a' twice"),
            ("b", np.ones(3), r"found \(3,\)"),
            ("b", np.full((1, 4), 1e6), "expected finite numbers in float16 at 'b'"),
            ("b", np.full((1, 4), np.nan), "expected finite numbers in float16 at 'b'"),
            *((odd, vectors(1), "expected a picture's id") for odd in ("", ".", "..", "a/b", "\x00", "\ud800")),
        ):
            with pytest.raises(InputError, match=found):
                writer.add(image_id, value)
        writer.add("\u00e9 \U0001f600", vectors(1))
    assert "\u00e9 \U0001f600" in FeatureStore(tmp_path / "store.h5")
    for path, dtype, found in (
        (tmp_path / "store.h5", "int8", "expected a dtype .* found 'int8'"),
        (tmp_path / "none" / "store.h5", "float32", "expected a folder to write into, found none"),
        (tmp_path, "float32", "expected a file to write, found a folder"),
    ):
        with pytest.raises(InputError, match=found):
            FeatureWriter(path, ABOUT, dtype)


# === Killed runs ===


@pytest.mark.slow
def test_twenty_killed_runs_end_in_the_store_of_an_undisturbed_one(tmp_path):
    undisturbed, killed = tmp_path / "undisturbed.h5", tmp_path / "killed.h5"
    pictures = write_pictures(tmp_path / "pictures", 200)
    Path(pictures["p77"]).write_bytes(b"no picture")
    with extraction_process(pictures) as extract:
        ((*counts, seconds),) = extract((None, undisturbed, None))
        assert counts == [0, 199, 1]
        seen = 0
        for number in range(20):
            extract((None, killed, seconds * number / 60))
            if killed.exists():
                store = FeatureStore(killed)
                held = sorted(store.names - {"_blank"})
                assert len(held) >= seen
                assert store.read(held, 4)[1].all()
                seen = len(held)
                store.close()
        assert seen
        assert extract((None, killed, None))[0][:3] == [0, 199, 1]
    assert killed.read_bytes() == undisturbed.read_bytes()
    errors = (tmp_path / "killed.h5.errors.csv").read_text("utf-8").splitlines()
    assert errors[0] == "picture,reason"
    assert [line.partition(",")[0] for line in errors[1:]] == [str(tmp_path / "pictures" / "p77.png")]
    assert not (tmp_path / "killed.h5.parts").exists()
