"""A folder of parts: read like one file, complete or refused, and merged into one."""

import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest

from mner_keras.data import load_dataset
from mner_keras.errors import InputError
from mner_keras.files import file_record, is_same_file, part_name
from mner_keras.vision import FeatureStore, FeatureWriter
from mner_keras.vision.feature_writer import merge_parts

ABOUT = {"extractor": "stub", "kind": "objects", "feature_dim": 2}


def write(path, ids, number=0, **more):
    with FeatureWriter(path, {**ABOUT, "versions": "numpy 2", **more}) as writer:
        writer.add("_blank", np.zeros((1, 2)))
        for i, image_id in enumerate(ids, start=number):
            writer.add(image_id, np.full((3, 2), i), names=["a", "b", "c"], caption=f"picture {i}")
    return path


@pytest.fixture
def folder(tmp_path):
    """Pictures `p0` to `p8` in three parts."""
    folder = tmp_path / "objects"
    folder.mkdir()
    for part in range(3):
        write(folder / part_name(part + 1, 3, ".h5"), [f"p{3 * part + i}" for i in range(3)], 3 * part)
    return folder


@pytest.fixture
def single(tmp_path):
    return FeatureStore(write(tmp_path / "single.h5", [f"p{i}" for i in range(9)]))


def test_a_folder_reads_like_the_file_of_all_pictures(folder, single):
    store = FeatureStore(folder)
    assert store.names == single.names
    assert store.attributes == single.attributes
    assert (store.count, store.dim, len(store)) == (single.count, single.dim, len(single)) == (3, 2, 9)
    ids = ["p8", None, "p0.jpg", "nowhere", "p4"]
    for ours, theirs in zip(store.read(ids, 2), single.read(ids, 2), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(store.blank(1), single.blank(1))
    assert store.objects("p5", 2).names == single.objects("p5", 2).names == ("a", "b")
    assert store.caption("p7") == single.caption("p7") == "picture 7"
    assert store.has_captions
    store.check()
    about, theirs = store.describe(), single.describe()
    assert about["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    own = ("path", "bytes")
    assert {k: v for k, v in about.items() if k not in own} == {k: v for k, v in theirs.items() if k not in own}
    again = pickle.loads(pickle.dumps(store))
    store.close()
    assert again.read(["p6"], 1)[0].tolist() == [[[6, 6]]]


def lose(folder):
    (folder / "part-002-of-003.h5").unlink()
    return "expected 3 parts, found 2: part-002-of-003.h5 is missing"


def mix(folder):
    write(folder / "part-002-of-004.h5", [])
    return "expected the files part-1-of-N to part-N-of-N, found -of-003.h5 and -of-004.h5"


def empty(folder):
    for path in folder.iterdir():
        path.unlink()
    return "expected the files part-1-of-N to part-N-of-N, found none"


def leave_unfinished(folder):
    with h5py.File(folder / "part-003-of-003.h5", "r+") as file:
        file.attrs["unfinished"] = True
    return "part-003-of-003.h5: expected a finished part: repeat the command that wrote it"


def go_on(folder):
    (folder / "part-001-of-003.h5.parts").mkdir()
    return "part-001-of-003.h5: expected a finished part"


def disagree(folder):
    with h5py.File(folder / "part-002-of-003.h5", "r+") as file:
        file.attrs["extractor"] = "other"
    return f"part-002-of-003.h5: expected extractor 'stub' as in {folder / 'part-001-of-003.h5'}, found 'other'"


def repeat(folder):
    with FeatureWriter(folder / "part-003-of-003.h5", {**ABOUT, "versions": "numpy 2"}) as writer:
        writer.add("p1", np.zeros((3, 2)))
    return f"expected a picture in one part, found 'p1' also in {folder / 'part-001-of-003.h5'}"


@pytest.mark.parametrize("change", [lose, mix, empty, leave_unfinished, go_on, disagree, repeat])
def test_a_folder_that_is_not_whole_is_refused(folder, tmp_path, change):
    expected = change(folder)
    for use in (
        lambda: "p0" in FeatureStore(folder),
        lambda: FeatureStore(folder).attributes,
        lambda: merge_parts(folder, tmp_path / "merged.h5"),
    ):
        with pytest.raises(InputError) as caught:
            use()
        assert expected in str(caught.value)
        assert str(folder) in str(caught.value)
    assert not (tmp_path / "merged.h5").exists()


def test_parts_of_other_versions_are_one_store_with_all_versions(folder):
    for number, versions in ((2, "numpy 3"), (3, "numpy 2")):
        with h5py.File(folder / part_name(number, 3, ".h5"), "r+") as file:
            file.attrs["versions"] = versions
    assert FeatureStore(folder).attributes["versions"] == "numpy 2 and numpy 3"


def test_a_folder_is_the_same_until_a_part_changes(folder):
    record = file_record(folder)
    (folder / "part-001-of-003.h5.errors.csv").write_text("no part", encoding="utf-8")
    assert is_same_file(folder, record)
    part = folder / "part-002-of-003.h5"
    content = part.read_bytes()
    part.write_bytes(content)  # another time
    assert is_same_file(folder, record)
    part.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert not is_same_file(folder, record)
    assert file_record(folder)["sha256"] != record["sha256"]
    assert not is_same_file(folder / "none", record)


def test_a_data_set_finds_its_folder_of_parts(folder, tmp_path):
    data = load_dataset(tmp_path)
    assert data.features("objects") == folder
    (tmp_path / "regions").mkdir()  # of something else
    assert data.features("regions") is None
    assert data.features("objects") == folder
    write(tmp_path / "objects.h5", [])
    assert data.features("objects") == tmp_path / "objects.h5"


# === Merging ===


def test_merged_parts_are_one_store(folder, single, tmp_path):
    out = tmp_path / "merged.h5"
    seen = []
    assert merge_parts(folder, out, progress=lambda done, total: seen.append((done, total))) == (9, 0)
    assert seen == [(number, 10) for number in range(1, 11)]
    merged = FeatureStore(out)
    assert merged.names == single.names
    assert merged.attributes == single.attributes
    for ours, theirs in zip(merged.read(sorted(single.names), 3), single.read(sorted(single.names), 3), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert merged.caption("p8") == "picture 8"
    merged.close()
    before = out.stat().st_mtime_ns
    assert merge_parts(folder, out) == (0, 9)
    assert out.stat().st_mtime_ns == before
    assert merge_parts(folder, out, overwrite=True) == (9, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["merged.h5", "objects", "single.h5"]
    assert len(list(folder.iterdir())) == 3


def test_an_interrupted_merge_leaves_no_half_of_a_store(folder, tmp_path):
    def interrupt(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        merge_parts(folder, tmp_path / "merged.h5", progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["objects"]
    assert len(FeatureStore(folder)) == 9
    assert merge_parts(folder, tmp_path / "merged.h5") == (9, 0)


def test_merging_never_replaces_something_else(folder, single, tmp_path):
    thesis = tmp_path / "thesis.h5"
    thesis.write_text("my thesis", encoding="utf-8")
    other = write(tmp_path / "other.h5", ["p1"], extractor="other")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    with h5py.File(foreign / "part-001-of-001.h5", "w") as file:
        file["a"] = np.ones((2, 2))
    for source, target, overwrite, expected in (
        (folder, thesis, True, "expected a feature store"),
        (folder, other, False, "expected a store of extractor 'stub' to go on with, found 'other'"),
        (folder, folder / "part-001-of-003.h5", True, "expected another file to write than the parts"),
        (single.path, single.path, True, "expected another file to write than the parts"),
        (foreign, tmp_path / "new.h5", False, "expected parts that this package wrote"),
    ):
        with pytest.raises(InputError, match=expected):
            merge_parts(source, target, overwrite)
    assert thesis.read_text(encoding="utf-8") == "my thesis"
    assert not (tmp_path / "new.h5").exists()
    assert len(FeatureStore(folder)) == len(single) == 9


MANY = """
import resource, sys
import h5py
import numpy as np
from mner_keras.files import part_name
from mner_keras.vision import FeatureStore
from mner_keras.vision.feature_writer import merge_parts

folder, out = sys.argv[1:]
for part in range(210):
    with h5py.File(f"{folder}/{part_name(part + 1, 210, '.h5')}", "w") as file:
        file.attrs.update({"extractor": "stub", "dtype": "float32"})
        for number in (part, part + 210):
            file[f"p{number:03d}"] = np.full((1, 2), number, "float32")
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
ids = [f"p{number:03d}" for number in np.random.default_rng(0).permutation(420)]
store = FeatureStore(folder)
assert merge_parts(folder, out) == (420, 0)
for found in (store, FeatureStore(out)):
    assert found.read(ids, 1)[0][:, 0, 0].tolist() == [int(image_id[1:]) for image_id in ids]
    found.describe()
print(len(store))
"""


def test_more_parts_than_a_process_may_open(tmp_path):
    pytest.importorskip("resource")
    (tmp_path / "regions").mkdir()
    command = [sys.executable, "-c", MANY, str(tmp_path / "regions"), str(tmp_path / "merged.h5")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "420\n"
