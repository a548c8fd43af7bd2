"""`mner data check`."""

import json

import pytest


def test_a_data_set_is_counted(mner):
    text = " ".join(mner("data", "check", "sample").out.split())
    for part in ("posts │ 600 │ 200 │ 200 │ 1,000", "orphan I- tags", "strict IOB2", "train and dev: 0 posts", "PER"):
        assert part in text
    assert text.count("jsonl") == 3
    assert json.loads(mner("data", "check", "sample", "--json").out)["total"]["posts"] == 1000


def test_an_unknown_data_set_suggests_the_nearest(mner, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    mner("data", "check", "sampel").refused("found no 'sampel'", "Did you mean 'sample'?")


def write_splits(folder, **contents):
    for name in ("train", "dev", "test"):
        (folder / f"{name}.txt").write_text(contents.get(name, "IMGID:1\na\tB-X\n"), encoding="utf-8")


@pytest.mark.parametrize(
    ("contents", "line"),
    [
        ({"dev": "a\tB-Y\nb\tB-X\n"}, "dev: no training post contains Y"),
        ({"dev": "b\tO\n"}, "dev: warning: no post has an entity: no best epoch can be chosen"),
        ({"train": "b\tO\n"}, "train: warning: no post has an entity: no model can be trained"),
    ],
)
def test_what_cannot_be_trained_on_is_said(mner, tmp_path, contents, line):
    write_splits(tmp_path, **contents)
    assert line in mner("data", "check", tmp_path).out.splitlines()
    (tmp_path / "test.txt").rename(tmp_path / "old")
    (tmp_path / "test.jsonl").write_text('{"tokens": ["a"]}\n', encoding="utf-8")
    assert "test: 1 posts without tags, unusable" in mner("data", "check", tmp_path).out
    (tmp_path / "test.jsonl").write_text("a\n", encoding="utf-8")
    mner("data", "check", tmp_path).refused(f"{tmp_path / 'test.jsonl'}:1: expected one JSON object per line")


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
