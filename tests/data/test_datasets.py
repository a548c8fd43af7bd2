"""Data sets by name and folder, and the two distributions of Twitter-2015 as the papers count them."""

import os

import pytest

from mner_keras.data import entity_spans, load_dataset
from mner_keras.data.post import orphan_positions
from mner_keras.errors import InputError

SPLITS = ("train", "dev", "test")


def fill(folder, names=("train.txt", "dev.txt", "test.txt")):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        text = '{"tokens": ["a"], "tags": ["B-X"]}\n' if name.endswith(".jsonl") else "a\tB-X\n\n"
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_the_sample_is_a_data_set(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    data = load_dataset("sample")
    assert (data.name, list(data), len(data)) == ("sample", list(SPLITS), 3)
    assert [len(data[split]) for split in data] == [600, 200, 200]
    assert data.features("regions").name == "regions.h5"
    assert data.features("objects").name == "objects.h5"


def test_a_folder_is_a_data_set_by_whatever_path(tmp_path, monkeypatch):
    folder = fill(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    for name in (folder, str(folder), "mine", "./mine/"):
        data = load_dataset(name)
        assert data.name == "mine"
        assert data["dev"][0].tokens == ("a",)
        assert data.features("regions") is None


@pytest.mark.parametrize("name", ["dev.txt", "valid.txt", "dev.jsonl", "valid.jsonl"])
def test_the_second_split_has_several_names(tmp_path, name):
    data = load_dataset(fill(tmp_path, ("train.txt", name, "test.jsonl")))
    assert data.path("dev").name == name
    assert len(data["dev"]) == 1
    assert sorted(data.hashes()) == sorted(["train.txt", name, "test.jsonl"])


def test_a_name_below_the_data_folder_is_a_data_set(tmp_path, monkeypatch):
    fill(tmp_path / "group" / "mine")
    monkeypatch.setenv("MNER_DATA", str(tmp_path))
    assert load_dataset("group/mine").name == "group/mine"
    monkeypatch.delenv("MNER_DATA")
    with pytest.raises(InputError):
        load_dataset("group/mine")


def test_a_split_needs_one_file_and_is_read_once(tmp_path):
    data = load_dataset(fill(tmp_path, ("train.txt", "dev.txt", "valid.txt")))
    assert data["train"] is data["train"]
    with pytest.raises(InputError) as caught:
        data["dev"]
    assert str(caught.value).startswith(f"{tmp_path}: expected one of dev.txt, valid.txt")
    assert str(caught.value).endswith("found dev.txt and valid.txt")
    with pytest.raises(InputError) as caught:
        data["test"]
    assert (
        str(caught.value)
        == f"{tmp_path}: expected one of test.txt, test.jsonl, test.json, test.parquet, found none of them"
    )
    (tmp_path / "test.txt").write_text("broken\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"test\.txt:1: "):
        data["test"]
    with pytest.raises(KeyError):
        data["validation"]


def test_what_is_no_data_set_is_refused(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="found no 'sampel'.* Did you mean 'sample'\\?$"):
        load_dataset("sampel")
    with pytest.raises(InputError, match="expected a folder with train, dev and test files, found a file"):
        load_dataset(fill(tmp_path) / "train.txt")


# === Twitter-2015 ===


@pytest.fixture(scope="module")
def twitter():
    home = os.environ.get("MNER_DATA")
    if not home or not os.path.isdir(os.path.join(home, "twitter2015", "original")):
        pytest.skip("MNER_DATA names no folder with twitter2015/original and twitter2015/umt")
    return {name: load_dataset(f"twitter2015/{name}") for name in ("original", "umt")}


def test_the_two_distributions_have_the_same_words_and_30_other_tags(twitter):
    differing = 0
    for split in SPLITS:
        for a, b in zip(twitter["original"][split], twitter["umt"][split], strict=True):
            assert a.tokens == b.tokens
            differing += sum(x != y for x, y in zip(a.tags, b.tags, strict=True))
    assert differing == 30


def test_orphans_open_no_entity(twitter):
    posts = twitter["original"]["train"]
    orphans = sum(len(orphan_positions(post.tags)) for post in posts)
    assert orphans == 187
    # The lenient reading, which opens an entity at each orphan, counts others.
    assert sum(len(entity_spans(post.tags)) for post in posts) + orphans == 6363
