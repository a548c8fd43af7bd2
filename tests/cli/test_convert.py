"""`mner data convert` and `mner data split`, and the warning for text without spaces."""

import json
import subprocess
import sys

import pytest

from mner_keras.data import Post, read_jsonl, read_posts, write_conll, write_jsonl


def test_posts_are_converted_and_what_is_lost_is_named(mner, tmp_path):
    post = Post(("Anna", "sings"), ("B-PER", "O"), image_id="1", id="x")
    write_jsonl(tmp_path / "in.jsonl", [post, Post(("a",))])
    result = mner("data", "convert", tmp_path / "in.jsonl", tmp_path / "out.json")
    assert (result.out, result.err) == (f"{tmp_path / 'out.json'}: 2 posts, 1 without tags\n", "")
    assert read_posts(tmp_path / "out.json") == [post, Post(("a",))]
    result = mner("data", "convert", tmp_path / "out.json", tmp_path / "out.txt")
    assert "warning: CoNLL columns cannot contain id: lost in 1 posts\n" in result.err
    assert "warning: CoNLL columns cannot contain absence of tags: lost in 1 posts\n" in result.err
    mner("data", "convert", tmp_path / "in.jsonl", tmp_path / "out.txt").refused("out.txt: expected a new file")


@pytest.mark.parametrize(
    ("source", "target", "parts"),
    [
        ("in.txt", "out.csv", ("out.csv: expected a file extension (.txt, ", "found '.csv'")),
        ("in.txt", "out", ("expected a file extension", "found none")),
        ("in.txt", "nowhere/out.json", ("expected a folder to write into, found none",)),
        ("none.txt", "out.json", ("none.txt: cannot be read",)),
        ("iob1.txt", "out.json", ("iob1.txt: expected IOB2", "--scheme iob1")),
        (
            "bad.json",
            "out.jsonl",
            ("bad.json: task 1 (id 9): characters 1 to 4 of 'Anna': expected an entity of whole tokens",),
        ),
    ],
)
def test_what_cannot_be_converted_is_refused(mner, tmp_path, source, target, parts):
    write_conll(tmp_path / "in.txt", [Post(("a",), ("B-X",))])
    (tmp_path / "iob1.txt").write_text("a\tI-X\n", encoding="utf-8")
    span = {"type": "labels", "value": {"start": 1, "end": 4, "labels": ["PER"]}}
    task = {"id": 9, "data": {"text": "Anna"}, "annotations": [{"result": [span]}]}
    (tmp_path / "bad.json").write_text(json.dumps([task]), encoding="utf-8")
    mner("data", "convert", tmp_path / source, tmp_path / target).refused(*parts)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.json", "in.txt", "iob1.txt"]


def test_a_file_is_split_for_training(mner, tmp_path):
    posts = [Post((f"word{i}",), ("B-X",)) for i in range(19)] + [Post(("untagged",))]
    write_jsonl(tmp_path / "posts.jsonl", posts)
    result = mner("data", "split", tmp_path / "posts.jsonl", "--to", tmp_path / "a", "--sizes", "60,20,20")
    assert result.out == f"{tmp_path / 'a'}: train 12, dev 4, test 4\n"
    assert len(read_jsonl(tmp_path / "a" / "train.jsonl")) == 12
    mner("data", "split", tmp_path / "posts.jsonl", "--to", tmp_path / "a").refused("train.jsonl: expected a new file")
    for sizes in ("60", "a,b,c", "0.8,0.1,0.1"):
        mner("data", "split", tmp_path / "posts.jsonl", "--to", tmp_path / "b", "--sizes", sizes).refused("three ")
    mner("data", "check", tmp_path / "posts.jsonl").refused(
        "posts.jsonl: expected a folder", "`mner data split FILE --to"
    )


def test_text_without_spaces_is_said_once(tmp_path):
    texts = ("今天天气很好，我去北京天安门玩。", "ฉันรักกรุงเทพมหานคร", "東京タワーに行きました！")
    (tmp_path / "in.json").write_text(json.dumps([{"data": {"text": text}} for text in texts]), encoding="utf-8")
    command = [sys.executable, "-m", "mner_keras", "data", "convert", tmp_path / "in.json", tmp_path / "out.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == (
        "warning: found text without spaces between words (such as Chinese, Japanese or Thai): each phrase becomes one "
        "token; give such posts as `tokens`, from a word segmenter for the language\n"
    )
    assert len(read_jsonl(tmp_path / "out.jsonl")) == 3
