"""Posts and tags at an address: the same commands as for files. Here `file://` stands for an object store."""

import json

import pytest

pytest.importorskip("pyarrow", reason="addresses need the extra `parquet`")

pytestmark = pytest.mark.usefixtures("eagerly")
POSTS = """{"id": "1", "text": "Barack Obama visited Paris"}
broken
{"id": "2", "text": "Microsoft in London"}
{"id": "3", "text": "Anna"}
"""


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "posts.jsonl").write_text(POSTS, encoding="utf-8")
    return (tmp_path / "store").as_uri()


def ids(path):
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_tags_go_to_the_store_and_another_machine_leaves_them(mner, store, tmp_path, monkeypatch):
    command = ("tag", "pretrained", f"{store}/posts.jsonl", "--out", f"{store}/tags.jsonl")
    result = mner(*command)
    assert result.code == 0, result
    assert f"{store}/tags.jsonl: 3 posts tagged, 1 skipped" in result.out
    assert ids(tmp_path / "store" / "tags.jsonl") == ["1", "2", "3"]
    assert '2,"expected one JSON object per line' in (tmp_path / "store" / "tags.jsonl.errors.csv").read_text(
        encoding="utf-8"
    )

    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "another"))
    assert "finished earlier, left as it is" in mner(*command).err
    right = [line for line in POSTS.replace("London", "Rome").splitlines() if line.endswith("}")]
    (tmp_path / "store" / "posts.jsonl").write_text("\n".join(right), encoding="utf-8")
    refused = mner(*command)
    assert refused.code == 2 and "found one finished with another input" in refused.err
    assert "Rome" not in (tmp_path / "store" / "tags.jsonl").read_text(encoding="utf-8")
    assert mner(*command, "--overwrite").code == 0
    assert "Rome" in (tmp_path / "store" / "tags.jsonl").read_text(encoding="utf-8")
    assert not (tmp_path / "store" / "tags.jsonl.errors.csv").exists(), "errors of the tags that were replaced"


def test_what_another_machine_tagged_again_is_not_replaced(mner, store, tmp_path, monkeypatch):
    command = ("tag", "pretrained", f"{store}/posts.jsonl", "--out", f"{store}/tags.jsonl")
    assert mner(*command).code == 0
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "another"))
    assert mner(*command, "--no-scores", "--overwrite").code == 0
    tags = (tmp_path / "store" / "tags.jsonl").read_bytes()
    assert b"score" not in tags
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "cache"))
    refused = mner(*command)
    assert refused.code == 2 and "found one finished with another --scores" in refused.err
    assert (tmp_path / "store" / "tags.jsonl").read_bytes() == tags


def test_shards_write_their_parts_into_a_folder_of_the_store(mner, store, tmp_path):
    for number in (1, 2):
        command = ("tag", "pretrained", f"{store}/posts.jsonl", "--out", f"{store}/tags", "--shard", f"{number}/2")
        assert mner(*command).code == 0
    parts = sorted((tmp_path / "store" / "tags").glob("*.jsonl"))
    assert [ids(part) for part in parts] == [["1", "2"], ["3"]]


@pytest.mark.parametrize(
    ("file", "out", "expected"),
    [
        ("STORE/none.jsonl", "STORE/tags.jsonl", "expected a file, found none at this address"),
        ("s9://bucket/posts.jsonl", "STORE/tags.jsonl", "expected an address such as s3://BUCKET/FILE"),
        ("STORE/posts.jsonl", "s9://bucket/tags.jsonl", "expected an address such as s3://BUCKET/FILE"),
    ],
)
def test_other_addresses_are_refused_before_anything_is_tagged(mner, store, file, out, expected):
    result = mner("tag", "pretrained", file.replace("STORE", store), "--out", out.replace("STORE", store))
    assert result.code == 2 and expected in result.err
