"""`mner features`: summary lines, exit codes, what is refused."""

import io
import json
import re

import h5py
import numpy as np
import pytest
from PIL import Image

from mner_keras.vision import FeatureStore


class Stub:
    """A picture's mean colour, once for each of two regions; in the place of VGG16."""

    blank_size = (8, 8)

    def __init__(self, weights=None, batch_size=16):
        self.attributes = {"extractor": "stub", "weights_hash": str(weights), "feature_dim": 3}

    def prepare(self, picture):
        return np.asarray(picture, "float32").mean((0, 1))

    def extract(self, prepared):
        return [{"vectors": np.stack([mean, mean])} for mean in prepared]


@pytest.fixture
def stub(monkeypatch):
    from mner_keras.vision import vgg16

    monkeypatch.setattr(vgg16, "VGG16Regions", Stub)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, colour in (("a.png", "red"), ("b.jpg", "blue"), ("c.webp", "lime")):
        Image.new("RGB", (20, 10), colour).save(folder / name)
    return folder


def test_pictures_become_a_store(mner, stub, folder, tmp_path):
    out = tmp_path / "regions.h5"
    result = mner("features", "vgg16", folder, "--out", out)
    assert result.code == 0
    assert result.err == ""
    assert re.fullmatch(
        f"{out}: 3 pictures added, 0 already there, 0 could not be read; [0-9.]+ s, [0-9.]+ pictures per second\n",
        result.out,
    )
    store = FeatureStore(out)
    assert store.read(["a"], 2)[0].tolist() == [[[255, 0, 0]] * 2]
    assert store.blank(1).tolist() == [[255, 255, 255]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures", "regions.h5"]


def test_a_second_run_does_the_rest(mner, stub, folder, tmp_path):
    out = tmp_path / "regions.h5"
    mner("features", "vgg16", folder, "--out", out)
    Image.new("RGB", (5, 5)).save(folder / "d.bmp")
    assert "1 pictures added, 3 already there" in mner("features", "vgg16", folder, "--out", out).out
    assert "0 pictures added, 4 already there" in mner("features", "vgg16", folder, "--out", out).out
    again = ["features", "vgg16", folder, "--out", out, "--weights", folder / "a.png"]
    mner(*again).refused(f"{out}: expected a store of weights_hash", "--overwrite replaces it")
    assert len(FeatureStore(out)) == 4
    assert "4 pictures added, 0 already there" in mner(*again, "--overwrite").out


def test_a_picture_that_cannot_be_read_is_listed_and_the_command_goes_on(mner, stub, folder, tmp_path):
    out = tmp_path / "regions.h5"
    (folder / "bad.jpg").write_bytes(b"no picture, \n")
    (folder / "empty, too.png").write_bytes(b"")
    (folder / "notes.txt").write_text("no picture", encoding="utf-8")
    result = mner("features", "vgg16", folder, "--out", out)
    assert result.code == 0
    assert f"3 pictures added, 0 already there, 2 could not be read ({out}.errors.csv); " in result.out
    assert result.err == "ignored, not named as pictures: notes.txt\n"
    errors = tmp_path / "regions.h5.errors.csv"
    assert errors.read_text("utf-8") == (
        f'picture,reason\n{folder / "bad.jpg"},"is no picture in JPEG, PNG, WEBP, GIF or BMP"\n'
        f'"{folder / "empty, too.png"}",the file is empty\n'
    )
    assert "bad" not in FeatureStore(out)
    for share, code in ((0.4, 0), (0.39, 1), (0, 1)):
        result = mner("features", "vgg16", folder, "--out", out, "--max-errors", share)
        assert result.code == code
        assert ("40.0 % of the pictures could not be read, more than --max-errors" in result.err) == bool(code)
    Image.new("RGB", (5, 5)).save(folder / "bad.jpg")
    (folder / "empty, too.png").unlink()
    assert mner("features", "vgg16", folder, "--out", out, "--max-errors", 0).code == 0
    assert not errors.exists()


def test_an_interrupted_run_keeps_what_it_has_made(mner, stub, folder, tmp_path, monkeypatch):
    out, made = tmp_path / "regions.h5", []
    extract = Stub.extract

    def interrupt(self, prepared):
        if len(made) == 2:  # the blank picture, and a batch
            raise KeyboardInterrupt
        made.append(prepared)
        return extract(self, prepared)

    monkeypatch.setattr(Stub, "extract", interrupt)
    command = ["features", "vgg16", folder, "--out", out, "--batch-size", 2]
    result = mner(*command)
    assert result.code == 130
    assert result.err == f"interrupted; the same command continues ({out})\n"
    assert len(FeatureStore(out)) == 2  # and the blank picture
    monkeypatch.setattr(Stub, "extract", extract)
    assert "1 pictures added, 2 already there" in mner(*command).out


def test_a_file_name_that_is_not_unicode_is_listed(mner, stub, folder, tmp_path):
    import os

    odd = os.fsencode(folder) + b"/\xff.png"
    try:
        os.link(folder / "a.png", odd)
    except OSError:
        pytest.skip("the file system holds Unicode names only")
    result = mner("features", "vgg16", folder, "--out", tmp_path / "s.h5")
    assert result.code == 0
    assert "1 could not be read" in result.out
    assert odd + b",its name is not Unicode\n" in (tmp_path / "s.h5.errors.csv").read_bytes()


def test_what_cannot_be_done_is_refused_before_anything_is_loaded(mner, folder, tmp_path):
    out = tmp_path / "regions.h5"
    mner("features", "vgg16", tmp_path / "none", "--out", out).refused(tmp_path / "none", "found no such thing")
    mner("features", "vgg16", folder, "--out", tmp_path / "no" / "s.h5").refused("expected a folder to write into")
    mner("features", "vgg16", folder, "--out", out, "--dtype", "int8").refused("expected a dtype", "'int8'")
    Image.new("RGB", (5, 5)).save(folder / "a.gif")
    mner("features", "vgg16", folder, "--out", out).refused("expected one picture of the id 'a'", "a.gif", "a.png")
    assert not out.exists()
    assert mner("features", "vgg16", folder).code == 2


# === --shard ===


def test_shards_fill_a_folder_that_is_a_store(mner, stub, folder, tmp_path):
    out, single, merged = tmp_path / "regions", tmp_path / "single.h5", tmp_path / "merged.h5"
    (folder / "bad.jpg").write_bytes(b"no picture")
    mner("features", "vgg16", folder, "--out", single)
    command = ["features", "vgg16", folder, "--out", out, "--shard"]
    added = [mner(*command, f"{number}/5").out for number in range(1, 6)]  # more shards than pictures
    assert sum(int(re.search(r"(\d+) pictures added", text)[1]) for text in added) == 3
    assert sum("1 could not be read" in text for text in added) == len(list(out.glob("*.errors.csv"))) == 1
    assert added[0].startswith(f"{out / 'part-001-of-005.h5'}: ")
    text = mner("features", "info", out, "--check").out
    assert all(part in text for part in ("3 pictures", " in 5 parts", "3 with 2", "blank picture: yes", "all finite"))
    assert mner("features", "merge", out, "--out", merged).out == f"{merged}: 3 pictures added, 0 already there\n"
    for store in (FeatureStore(out), FeatureStore(merged)):
        assert store.attributes == FeatureStore(single).attributes
        for ours, theirs in zip(store.read("abc", 2), FeatureStore(single).read("abc", 2), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    (out / "part-004-of-005.h5").unlink()
    mner("features", "info", out).refused(f"{out}: expected 5 parts, found 4: part-004-of-005.h5 is missing")
    mner("features", "merge", out, "--out", tmp_path / "m.h5").refused("part-004-of-005.h5 is missing")
    again = [mner(*command, f"{number}/5").out for number in range(1, 6)]
    assert all(": 0 pictures added" in text for number, text in enumerate(again, start=1) if number != 4)
    assert len(FeatureStore(out)) == 3


def test_shards_that_cannot_be_are_refused(mner, stub, folder, tmp_path):
    command = ["features", "vgg16", folder, "--out", tmp_path / "regions", "--shard"]
    for text in ("0/3", "4/3", "3", "", "/64"):
        mner(*command, text).refused(f"expected --shard I/N with I from 1 to N, such as 3/64, found '{text}'")
    assert not (tmp_path / "regions").exists()
    mner(*command, "1/3")
    mner(*command, "1/4").refused("expected parts of 4 shards, found part-001-of-003.h5")
    mner(*command[:3], "--out", tmp_path / "regions").refused("expected a file to write, found a folder")
    mner(*command[:3], "--out", tmp_path / "r.h5", "--shard", "1/3").refused("expected a folder: with --shard")
    mner("features", "merge", folder, "--out", tmp_path / "m.h5").refused("expected the files part-1-of-N", "none")
    mner("features", "merge", tmp_path / "no", "--out", tmp_path / "m.h5").refused("found no such file")


# === mner features info ===


def test_info_says_what_is_inside(mner, stub, folder, tmp_path):
    out = tmp_path / "regions.h5"
    mner("features", "vgg16", folder, "--out", out, "--dtype", "float16")
    text = mner("features", "info", out).out
    expected = ("3 pictures", "width 3, float16", "3 with 2", "blank picture: yes", "extractor: stub", "versions: mner")
    assert all(part in text for part in expected)
    assert "unfinished" not in text
    record = json.loads(mner("features", "info", out, "--json").out)
    expected = {"pictures": 3, "blank": True, "vectors": {"2": 3}, "width": 3, "dtype": "float16", "finished": True}
    assert record | expected == record
    with h5py.File(out, "r+") as file:
        file.attrs["unfinished"] = True
    assert "unfinished: repeat the command that wrote it" in mner("features", "info", out).out
    mner("features", "info", tmp_path / "none.h5").refused("expected a feature store, found no such file")


# === mner features words ===


def test_words_become_a_store(mner, tmp_path, monkeypatch):
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "cache"))
    vectors, file, out = tmp_path / "vectors.txt", tmp_path / "words.json", tmp_path / "s.h5"
    vectors.write_text("red 0 3 -1\ndog -2 2 0\n", encoding="utf-8")
    file.write_text('{"a.jpg": "a red dog", "b.jpg": "xyzzy"}', encoding="utf-8")
    command = ["features", "words", file, "--vectors", vectors, "--out", out]
    assert mner(*command).out == f"{out}: 1 pictures added, 0 already there, 1 without a known word\n"
    assert mner(*command).out == f"{out}: 0 pictures added, 1 already there, 1 without a known word\n"
    with h5py.File(out) as store:
        assert (store["a"].shape, store["a"].dtype) == ((49, 512), "float16")
    info = mner("features", "info", out).out
    assert all(part in info for part in ("1 with 49", "blank picture: yes", "extractor: words", "source: words.json"))
    file.write_text('{"a.jpg": "a red cat"}', encoding="utf-8")
    mner(*command).refused("expected a store of source_hash", "--overwrite replaces it")
    mner(*command, "--regions", 3, "--objects", 3).refused("`--regions` and `--objects` exclude each other")
    assert mner(*command, "--objects", 1, "--overwrite").code == 0
    assert FeatureStore(out).read(["a"], 5)[1].sum() == 1


# === mner features import ===


def test_import_writes_a_store(mner, tmp_path):
    source, out = tmp_path / "objects.txt", tmp_path / "objects.h5"
    source.write_text("1.jpg\ncar\n" + "0.5 " * 1024 + "\n\n2.jpg\n\n\n\n", encoding="utf-8")
    result = mner("features", "import", source, "--out", out)
    assert (result.code, result.out, result.err) == (0, f"{out}: 2 pictures of {source}\n", "")
    assert FeatureStore(out).read(["1"], 1)[0].tolist() == [[[0.5] * 1024]]
    mner("features", "import", tmp_path / "none", "--out", out).refused("found no such file")


def zhang(folder):
    path = folder / "img_vgg_features.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("1.jpg", (1, 512, 7, 7), "float16", fillvalue=1)
    return path


def test_imported_regions_get_the_blank_picture_where_the_weights_are(mner, stub, tmp_path, monkeypatch):
    from mner_keras.vision import vgg16

    class Wide(Stub):
        def extract(self, prepared):
            return [{"vectors": np.full((49, 512), 7.0)} for _ in prepared]

    monkeypatch.setattr(vgg16, "VGG16Regions", Wide)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    source, out = zhang(tmp_path), tmp_path / "regions.h5"
    result = mner("features", "import", source, "--out", out)
    assert (result.code, result.out) == (0, f"{out}: 1 pictures of {source}\n")
    assert "no blank picture: posts without a picture see zeros; the same command with --weights adds it" in result.err
    assert "blank picture: the store has no blank picture" in mner("features", "info", out).out
    weights = tmp_path / "keras" / "models" / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    weights.parent.mkdir(parents=True)
    weights.touch()
    result = mner("features", "import", source, "--out", out)
    assert (result.code, result.err) == (0, "")
    store = FeatureStore(out)
    assert (len(store), store.blank(49).mean()) == (1, 7.0)
    assert "blank picture: yes" in mner("features", "info", out).out


def test_the_check_reads_all_values(mner, tmp_path):
    path = zhang(tmp_path)
    assert "values: all finite" in mner("features", "info", path, "--check").out
    with h5py.File(path, "r+") as file:
        file["1.jpg"][0, 3, 2, 1] = np.inf
    assert mner("features", "info", path).code == 0
    mner("features", "info", path, "--check").refused(f"{path}: expected finite numbers", "at '1.jpg'")
    mner("features", "import", path, "--out", tmp_path / "out.h5").refused(f"{path}: expected finite", "'1.jpg'")


def test_work_that_has_nothing_to_count_shows_no_bar(monkeypatch):
    from mner_keras.cli.terminal import progress_bar

    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    with progress_bar("bytes"):
        pass
    assert terminal.getvalue() == ""
    with progress_bar("bytes") as progress:
        progress(3, 4)
    assert "3/4" in terminal.getvalue()
