"""`mner data check`."""

import json

import pytest


def test_the_sample_is_counted(mner):
    text = " ".join(mner("data", "check", "sample").out.split())
    for part in ("posts │ 600 │ 200 │ 200 │ 1,000", "orphan I- tags", "strict IOB2", "train and dev: 0 posts", "PER"):
        assert part in text
    assert text.count("jsonl") == 3


def test_what_cannot_be_trained_on_is_said(mner, tmp_path):
    (tmp_path / "train.txt").write_text("a\tB-X\n", encoding="utf-8")
    (tmp_path / "dev.txt").write_text("a\tB-Y\nb\tB-X\n", encoding="utf-8")
    (tmp_path / "test.jsonl").write_text('{"tokens": ["a"]}\n', encoding="utf-8")
    out = mner("data", "check", tmp_path).out
    assert "dev: no training post contains Y\n" in out
    assert "test: 1 posts without tags" in out
    assert "train: " not in out


def test_the_counts_come_as_json(mner):
    result = mner("data", "check", "sample", "--json")
    report = json.loads(result.out)
    assert report["name"] == "sample"
    assert [report["splits"][split]["posts"] for split in ("train", "dev", "test")] == [600, 200, 200]
    assert report["total"]["posts"] == 1000
    assert sum(report["total"]["types"].values()) == report["total"]["entities"]
    assert all(len(value) == 64 for value in report["sha256"].values())


def test_an_unknown_data_set_suggests_the_nearest(mner, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    mner("data", "check", "sampel").refused("found no 'sampel'", "Did you mean 'sample'?")


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        (b"", None, "found an empty file"),
        (b"a\tO\nAnna\n", 2, "found 1 column"),
        (None, None, "found none of them"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(mner, tmp_path, content, line, found):
    for name in ("train.txt", "dev.txt"):
        (tmp_path / name).write_text("a\tB-X\n", encoding="utf-8")
    path = tmp_path / "test.txt"
    if content is not None:
        path.write_bytes(content)
    place = tmp_path if content is None else path
    mner("data", "check", tmp_path).refused(f"{place}:{line}: " if line else f"{place}: ", found)


def write_splits(folder, **contents):
    for name in ("train", "dev", "test"):
        (folder / f"{name}.txt").write_text(contents.get(name, "IMGID:1\na\tB-X\n"), encoding="utf-8")


def test_iob1_is_refused(mner, tmp_path):
    write_splits(tmp_path, test="a\tI-X\nb\tI-X\n\nc\tI-X\n")
    mner("data", "check", tmp_path).refused(f"{tmp_path / 'test.txt'}: expected IOB2", "found IOB1: 2 entities open at")


def test_a_split_without_an_entity_is_said(mner, tmp_path):
    write_splits(tmp_path, dev="b\tO\n")
    assert "dev: warning: no post has an entity: no best epoch can be chosen\n" in mner("data", "check", tmp_path).out
    write_splits(tmp_path, train="b\tO\n")
    assert "train: warning: no post has an entity: no model can be trained\n" in mner("data", "check", tmp_path).out


def test_a_store_of_other_pictures_is_refused(mner, tmp_path):
    from small_corpus import write_store

    store = "regions.h5"
    write_splits(tmp_path, dev="IMGID:2.jpg\na\tB-X\n", test="a\tB-X\n")
    write_store(tmp_path / store, ["1"], 2, 3)
    mner("data", "check", tmp_path).refused(
        f"{tmp_path / store}: expected the pictures that the dev posts name, found none of them (1 posts, ", "'2'"
    )
    write_store(tmp_path / store, ["1.jpg", "2"], 2, 3)
    assert mner("data", "check", tmp_path).code == 0


def test_pictures_are_counted_by_their_id(mner, tmp_path):
    write_splits(tmp_path, train="IMGID: 1\na\tB-X\n", dev="IMGID:1.jpg\nb\tB-X\n")
    report = json.loads(mner("data", "check", tmp_path, "--json").out)
    assert report["shared"]["train and dev"]["pictures"] == 1


def test_fetch_lists_what_there_is_and_prints_what_comes_next(mner, tmp_path, monkeypatch):
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "cache"))
    listed = " ".join(mner("data", "fetch").out.split())
    for part in ("twitter2015-pictures", "1,520 MB", "by hand"):
        assert part in listed
    folder, remote = tmp_path / "data", tmp_path / "remote"
    remote.mkdir()
    (remote / "agban_objects").write_text("1.jpg\nperson\n" + "0 " * 1024 + "\n\n", encoding="utf-8")
    command = ["data", "fetch", "agban-objects", "--to", folder, "--mirror", remote.as_uri()]
    result = mner(*command)
    assert result.code == 0, result
    file, store = folder / "agban_objects.txt", folder / "objects.h5"
    assert result.out == f"{file}: fetched\nnext:\nmner features import {file} --out {store}\n"
    assert "agban_objects: 0.0 MB" in result.err
    assert mner(*result.out.splitlines()[-1].split()[1:]).code == 0
    assert mner(*command).out.startswith(f"{file}: already there\n")
    mner("data", "fetch", "glove-6b").refused("expected a folder for glove-6b (--to FOLDER)")
    mner("data", "fetch", "glove", "--to", folder).refused("Did you mean 'glove-6b'?")
    assert "code s4xt" in mner("data", "fetch", "hsn-real-world").err
