"""`mner tag --out`: a file that survives a kill, malformed posts beside it, and Parquet."""

import csv
import json
import sys

import pytest
from small_corpus import make_records

from mner_keras.data.files import read_posts

pytestmark = pytest.mark.usefixtures("eagerly", "models_stay_open", "small_steps")
BROKEN = (7, 8, 20)
"""The lines that are malformed, of 30."""


class Killed(BaseException):
    """What stops a process in a test."""


@pytest.fixture
def small_steps(monkeypatch):
    monkeypatch.setattr("mner_keras.scale.tag_posts.CHUNK", 4)


@pytest.fixture
def posts(tmp_path):
    """A file of 30 lines, `BROKEN` among them."""
    path = tmp_path / "posts.jsonl"
    good = [json.dumps(record) for record in (make_records("train"))[:30]]
    path.write_text("".join('{"tokens": [\n' if n in BROKEN else line + "\n" for n, line in enumerate(good, start=1)))
    return path


@pytest.fixture
def kill(monkeypatch):
    """Stop the next command in a step, when half of its record is written."""
    from mner_keras.scale.outputs import ResumableFile

    write = ResumableFile.write

    def at(step):
        steps = []

        def stop(self, text, errors, inputs):
            if len(steps) == step:
                for file in self._files:
                    file.write(b'{"half": ')
                    file.flush()
                self._files = []
                raise Killed
            steps.append(inputs)
            write(self, text, errors, inputs)

        monkeypatch.setattr(ResumableFile, "write", stop)

    return at


def ids(path):
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]


def left(folder):
    return sorted(path.name for path in folder.iterdir() if "out" in path.name)


def test_malformed_posts_are_listed_beside_the_file(mner, text_run, posts, tmp_path):
    out = tmp_path / "out.jsonl"
    result = mner("tag", text_run, posts, "--out", out)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{out}: 27 posts tagged, 3 skipped ({out}.errors.csv)\n"
    assert out.read_text(encoding="utf-8") == mner("tag", text_run, posts).out
    with open(f"{out}.errors.csv", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["line", "reason"]
    assert [int(line) for line, _ in rows] == list(BROKEN)
    assert all(reason.startswith("expected one JSON object per line") for _, reason in rows)
    assert ids(out) == [record["id"] for n, record in enumerate(make_records("train")[:30], start=1) if n not in BROKEN]
    assert left(tmp_path) == ["out.jsonl", "out.jsonl.errors.csv", "out.jsonl.progress.json"]


def test_malformed_posts_are_named_without_a_file(mner, text_run, posts, monkeypatch):
    result = mner("tag", text_run, posts)
    assert (result.code, len(result.out.splitlines())) == (0, 27)
    lines = result.err.splitlines()
    assert [line.startswith(f"{posts}:{n}: expected one JSON object") for n, line in zip(BROKEN, lines, strict=True)]
    assert all(line.endswith(": skipped") for line in lines)
    monkeypatch.setattr("mner_keras.scale.tag_file.SHOWN", 2)
    assert mner("tag", text_run, posts).err.splitlines() == [*lines[:2], "1 more posts skipped"]
    # A stream ends at the first one, unless it must not.
    content = posts.read_bytes()
    mner("tag", text_run, stdin=content).refused("<stdin>:7: ")
    assert mner("tag", text_run, "--on-error", "skip", stdin=content).out == result.out


def test_too_many_malformed_posts_are_exit_code_1(mner, text_run, posts, tmp_path):
    for arguments in ([], ["--out", tmp_path / "out.jsonl"]):
        for _ in range(2):
            assert mner("tag", text_run, posts, *arguments, "--max-errors", 0.1).code == 0
            result = mner("tag", text_run, posts, *arguments, "--max-errors", 0.09)
            assert result.code == 1
            assert result.err.endswith("10 % of the posts were malformed, more than --max-errors 9 % allows\n")
    assert len(ids(tmp_path / "out.jsonl")) == 27


def test_a_file_without_a_good_post_is_refused(mner, text_run, tmp_path):
    posts, out = tmp_path / "posts.jsonl", tmp_path / "out.jsonl"
    posts.write_text("{\n" * 9)
    for arguments in ([], ["--out", out]):
        message = mner("tag", text_run, posts, *arguments).refused(f"{posts}:1: expected one JSON object per line")
        assert message.endswith("; none of the 9 posts can be read")
    assert left(tmp_path) == []


@pytest.mark.parametrize("format_", ["jsonl", "conll", "text", "parquet"])
def test_a_killed_command_is_continued_by_the_same_one(mner, text_run, posts, tmp_path, kill, format_):
    if format_ == "parquet":
        pytest.importorskip("pyarrow")
    command = ["tag", text_run, posts, "--format", format_, "--out"]
    assert mner(*command, tmp_path / "whole").code == 0
    out = tmp_path / "out"
    kill(3)
    with pytest.raises(Killed):
        mner(*command, out)
    assert not out.exists()
    tagged = []
    kill(99)
    with pytest.MonkeyPatch.context() as patch:
        from mner_keras.scale.tag_posts import PostTagger

        call = PostTagger.__call__
        patch.setattr(PostTagger, "__call__", lambda self, posts: tagged.extend(posts) or call(self, posts))
        assert mner(*command, out).code == 0
    assert len(tagged) == 30 - 12 - 1
    assert out.read_bytes() == (tmp_path / "whole").read_bytes()
    for name in ("errors.csv", "progress.json"):
        assert (tmp_path / f"out.{name}").read_bytes() == (tmp_path / f"whole.{name}").read_bytes()


def test_a_finished_file_is_left_alone_and_another_commands_is_refused(mner, text_run, posts, tmp_path):
    out = tmp_path / "out.jsonl"
    first = mner("tag", text_run, posts, "--out", out)
    before = out.stat().st_mtime_ns
    again = mner("tag", text_run, posts, "--out", out, "--on-error", "stop")
    assert (again.code, again.out) == (0, first.out)
    assert again.err == f"{out}: finished earlier, left as it is; --overwrite tags again\n"
    mner("tag", text_run, posts, "--out", out, "--no-scores").refused(f"{out}: ", "another --scores", "--overwrite")
    mner("tag", text_run, "--out", out, stdin=posts.read_bytes()).refused("another standard input")
    mner("tag", text_run, posts, "--out", posts, "--overwrite").refused("found the file of posts")
    posts.write_text('{"tokens": ["new"]}\n')
    mner("tag", text_run, posts, "--out", out).refused("another input")
    assert out.stat().st_mtime_ns == before
    assert mner("tag", text_run, posts, "--out", out, "--overwrite").code == 0
    assert json.loads(out.read_text())["tokens"] == ["new"]


def test_a_command_that_stopped_at_a_malformed_post_goes_on_when_it_may_skip(mner, text_run, posts, tmp_path):
    out = tmp_path / "out.jsonl"
    mner("tag", text_run, posts, "--out", out, "--on-error", "stop").refused(f"{posts}:7: ")
    assert not out.exists()
    assert mner("tag", text_run, posts, "--out", out).code == 0
    assert len(ids(out)) == 27


def test_what_cannot_be_tagged_leaves_nothing_behind(mner, text_run, posts, corpus, tmp_path):
    out = tmp_path / "out.jsonl"
    mner("tag", tmp_path / "none.keras", posts, "--out", out).refused("expected a model, found no such file")
    mner("tag", corpus / "train.jsonl", posts, "--out", out).refused("expected a .keras model")
    mner("tag", text_run, posts, "--out", tmp_path / "none" / "out.jsonl").refused("expected a folder to write into")
    mner("tag", text_run, posts, "--out", tmp_path).refused("expected a file to write, found a folder")
    assert left(tmp_path) == []
    mner("tag", text_run, posts, "--on-error", "ignore").misused("'ignore' is not one of 'skip', 'stop'")


def test_standard_input_is_written_to_a_file(mner, text_run, posts, tmp_path):
    out = tmp_path / "out.jsonl"
    assert mner("tag", text_run, "--out", out, "--on-error", "skip", stdin=posts.read_bytes()).code == 0
    assert len(ids(out)) == 27
    mner("tag", text_run, "--out", out, stdin=posts.read_bytes()).refused("the file exists; --overwrite replaces it")


# === Parquet ===


def test_parquet_goes_in_and_out(mner, text_run, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    records = [{**record, "lang": "en", "raw": b"\xff"} for record in make_records("test")]
    posts, out = tmp_path / "posts.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.Table.from_pylist(records), posts)
    assert mner("tag", text_run, posts, "--out", out).code == 0
    lines = [json.loads(line) for line in mner("tag", text_run, posts).out.splitlines()]
    table = pq.read_table(out)
    assert table.column_names == ["id", "text", "tokens", "tags", "pos", "image", "entities", "extra"]
    for row, line in zip(table.to_pylist(), lines, strict=True):
        entities = [{key: value for key, value in one.items() if value is not None} for one in row.pop("entities")]
        assert entities == line.pop("entities")
        assert json.loads(row.pop("extra")) == {"lang": "en", "raw": None}
        assert (line.pop("lang"), line.pop("raw"), row.pop("text")) == ("en", None, None)
        assert row == line
    # The written file is a file of posts again.
    again = read_posts(out)
    assert [post.tags for post in again] == [tuple(line["tags"]) for line in lines]
    assert (again[0].id, again[0].extra["lang"]) == (records[0]["id"], "en")
    empty = tmp_path / "empty.parquet"
    assert mner("tag", text_run, "--out", empty, stdin=b"\n").code == 0
    assert pq.read_schema(empty) == table.schema


def test_parquet_takes_half_of_a_surrogate_pair(mner, text_run, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "out.parquet"
    post = json.dumps({"tokens": ["good"], "text": "good \ud83d", "pos": ["JJ"], "user": "\udc00"}).encode()
    assert mner("tag", text_run, "--out", out, stdin=post).code == 0
    (row,) = pq.read_table(out).to_pylist()
    assert (row["text"], json.loads(row["extra"])) == ("good ?", {"user": "?"})


def test_parquet_needs_a_file_and_pyarrow(mner, text_run, posts, tmp_path, monkeypatch):
    mner("tag", text_run, posts, "--format", "parquet").refused("name a file with --out")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = "pip install 'mner-keras[parquet]'"
    mner("tag", text_run, posts, "--out", tmp_path / "out.parquet").refused(message)
    (tmp_path / "in.parquet").write_bytes(b"PAR1")
    mner("tag", text_run, tmp_path / "in.parquet").refused(message)
    assert left(tmp_path) == []
