"""`make_realworld`: plain-text posts beside those with pictures."""

import json
import os
from pathlib import Path

import pytest

from mner_keras.data import Post, load_dataset, read_conll, write_conll
from mner_keras.data.realworld import make_realworld
from mner_keras.errors import InputError


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "base"
    folder.mkdir()
    for split in ("train", "dev", "test"):
        posts = [Post((split, "Rome", "x"), ("B-PER", "B-LOC", "B-OTHER"), f"{split}{i}") for i in range(2)]
        write_conll(folder / f"{split}.txt", posts)
    return folder


@pytest.fixture
def plain(tmp_path):
    """Two files: twelve posts with an entity, some of which say "@ name", and three without."""
    paths = [tmp_path / "a.conll", tmp_path / "b.conll"]
    posts = [Post(("@", f"name{i}", "Anna"), ("O", "O", "B-PER")) for i in range(4)]
    posts += [Post((f"p{i}", "Rome"), ("O", "B-LOC"), "77") for i in range(8)]
    posts += [Post((f"q{i}",), ("O",)) for i in range(2)] + [Post(("orphan",), ("I-PER",))]
    write_conll(paths[0], posts[::2])
    write_conll(paths[1], posts[1::2])
    return paths


def test_plain_posts_stand_behind_each_split_s_own_in_the_seed_s_order(base, plain, tmp_path):
    for name, seed in (("out", 1), ("same", 1), ("other", 2)):
        record = make_realworld(base, plain, tmp_path / name, sizes=(5, 2, 3), seed=seed)
    first, same, other = ((tmp_path / name / "train.txt").read_bytes() for name in ("out", "same", "other"))
    assert first == same != other
    data, own = load_dataset(tmp_path / "other"), load_dataset(base)
    added = []
    for split, size in (("train", 5), ("dev", 2), ("test", 3)):
        assert data[split][:2] == own[split]
        assert len(data[split]) == 2 + size
        added += data[split][2:]
    assert len(set(added)) == 10
    assert all(post.image_id is None for post in added)
    assert all(any(tag.startswith("B-") for tag in post.tags) for post in added)
    assert record == json.loads((tmp_path / "other" / "realworld.json").read_text("utf-8"))
    wanted = {"pool": 12, "without_entity": 3, "types_lacking": ["OTHER"], "types_new": [], "split_handles": 4}
    assert {key: record[key] for key in wanted} == wanted
    assert record["posts"] == {"train": 7, "dev": 4, "test": 5}


def test_lines_without_a_token_are_left_out_and_counted(base, plain, tmp_path):
    odd = tmp_path / "odd.conll"
    odd.write_bytes(b"a\tB-PER\n\tO\nb\tO\n\n \nc\tB-LOC\n")
    record = make_realworld(base, [odd], tmp_path / "out", sizes=(2, 0, 0))
    assert record["empty_lines"] == 2
    assert {post.tokens for post in read_conll(tmp_path / "out" / "train.txt")[2:]} == {("a", "b"), ("c",)}
    odd.write_bytes(b"a\tB-PER\nb\n")
    with pytest.raises(InputError, match="odd.conll:2: expected token<TAB>tag"):
        make_realworld(base, [odd], tmp_path / "out2", sizes=(1, 0, 0))


def test_what_cannot_be_made_is_refused(base, plain, tmp_path):
    with pytest.raises(InputError, match="expected 13 plain-text posts that contain an entity, found 12"):
        make_realworld(base, plain, tmp_path / "out", sizes=(5, 5, 3))
    with pytest.raises(InputError, match="none.conll: cannot be read"):
        make_realworld(base, [tmp_path / "none.conll"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="expected an empty folder or none, found other files"):
        make_realworld(base, plain, base, sizes=(1, 1, 1), overwrite=True)
    make_realworld(base, plain, tmp_path / "out", sizes=(1, 1, 1))
    with pytest.raises(InputError, match="a set made earlier: --overwrite replaces it"):
        make_realworld(base, plain, tmp_path / "out", sizes=(1, 1, 1))
    make_realworld(base, plain, tmp_path / "out", sizes=(2, 1, 1), overwrite=True)
    assert len(load_dataset(tmp_path / "out")["train"]) == 4


def test_the_broad_twitter_corpus_serves(tmp_path):
    home = Path(os.environ.get("MNER_DATA", ""))
    files = sorted(home.glob("text-only/btc.*.conll")) if os.environ.get("MNER_DATA") else []
    if not files:
        pytest.skip("MNER_DATA names no folder that holds text-only/btc.*.conll")
    record = make_realworld(home / "twitter2015" / "original", files, tmp_path / "out")
    assert record["posts"] == {"train": 7000, "dev": 2000, "test": 5257}
    assert (record["pool"], record["types_lacking"]) == (6178, ["OTHER"])


def test_the_command_prints_the_differences(base, plain, tmp_path):
    from typer.testing import CliRunner

    from mner_keras.cli import app

    command = ["data", "realworld", "--base", base, "--text-only", *plain, "--to", tmp_path / "out", "--sizes", 5, 2, 3]
    result = CliRunner().invoke(app, list(map(str, command)))
    assert result.exit_code == 0, result.output
    assert "train 7 (+ 5), dev 4 (+ 2), test 5 (+ 3)" in result.output
    assert "12 plain-text posts contain an entity, 3 contain none: left out" in result.output
    assert "difference: the plain-text posts have no OTHER entities; such names are tagged O" in result.output
    assert (
        'difference: 4 plain-text posts split "@ name" in two tokens, where Twitter-2015 keeps "@name"' in result.output
    )
