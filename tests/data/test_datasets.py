"""Data sets by name and folder, and the two distributions of Twitter-2015 as the papers count them."""

import os
from collections import Counter

import pytest

from mner_keras.data import entity_spans, load_dataset, read_conll, write_conll
from mner_keras.data.entities import orphan_positions
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


def test_two_files_for_one_split_are_an_error(tmp_path):
    folder = fill(tmp_path, ("train.txt", "dev.txt", "valid.txt", "test.txt"))
    with pytest.raises(InputError) as caught:
        load_dataset(folder)["dev"]
    assert str(caught.value).startswith(f"{folder}: expected one of dev.txt, valid.txt")
    assert str(caught.value).endswith("found dev.txt and valid.txt")


def test_a_missing_split_is_an_error(tmp_path):
    folder = fill(tmp_path, ("train.txt", "dev.txt"))
    data = load_dataset(folder)
    assert len(data["train"]) == 1
    with pytest.raises(InputError) as caught:
        data["test"]
    assert str(caught.value) == f"{folder}: expected one of test.txt, test.jsonl, found none of them"


def test_an_unknown_split_is_a_key_error(tmp_path):
    with pytest.raises(KeyError):
        load_dataset(fill(tmp_path))["validation"]


def test_an_unknown_name_says_what_is_known(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        load_dataset("sampel")
    assert "found no 'sampel'" in str(caught.value)
    assert str(caught.value).endswith("Did you mean 'sample'?")


def test_a_file_is_no_data_set(tmp_path):
    path = fill(tmp_path) / "train.txt"
    with pytest.raises(InputError, match="expected a folder with train, dev and test files, found a file"):
        load_dataset(path)


def test_a_split_is_read_when_it_is_asked_for_and_once(tmp_path):
    data = load_dataset(fill(tmp_path))
    (tmp_path / "test.txt").write_text("broken\n", encoding="utf-8")
    assert data["train"] is data["train"]
    with pytest.raises(InputError, match=r"test\.txt:1: "):
        data["test"]


# === Twitter-2015 ===


@pytest.fixture(scope="module")
def twitter():
    home = os.environ.get("MNER_DATA")
    if not home or not os.path.isdir(os.path.join(home, "twitter2015", "original")):
        pytest.skip("MNER_DATA names no folder with twitter2015/original and twitter2015/umt")
    return {name: load_dataset(f"twitter2015/{name}") for name in ("original", "umt")}


def count(posts):
    return Counter(kind for post in posts for kind, _, _ in entity_spans(post.tags))


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
    assert count(posts).total() + orphans == 6363


def test_odd_tokens_of_the_original_are_kept(twitter):
    assert any("\u00a0" in post.tokens for post in twitter["original"]["dev"])
    assert any("\u200e" in token for post in twitter["original"]["test"] for token in post.tokens)


def test_the_original_comes_back_from_our_writer(twitter, tmp_path):
    for split in SPLITS:
        path = tmp_path / f"{split}.txt"
        write_conll(path, twitter["original"][split])
        assert read_conll(path) == twitter["original"][split]
