"""`mner tag --shard`: N commands tag each post once."""

import pytest

pytestmark = pytest.mark.usefixtures("eagerly", "models_stay_open")


@pytest.fixture
def posts(tmp_path):
    """Ten posts, the seventh of them malformed."""
    path = tmp_path / "posts.jsonl"
    lines = [f'{{"text": "post {number} from London"}}' for number in range(10)]
    lines[6] = '{"text": 5}'
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_shards_tag_each_post_once(mner, text_run, posts, tmp_path):
    command = ["tag", text_run, posts, "--no-scores"]  # scores differ in their last digit with the batch
    out, single = tmp_path / "tags", tmp_path / "single.jsonl"
    assert mner(*command, "--out", single).code == 0
    parts = [out / f"part-00{number}-of-003.jsonl" for number in (1, 2, 3)]
    for number, part in enumerate(parts, start=1):
        result = mner(*command, "--out", out, "--shard", f"{number}/3")
        good, bad = (3, 1) if number == 1 else (3, 0)
        assert result.out.startswith(f"{part}: {good} posts tagged, {bad} skipped")
    found = [part.read_text(encoding="utf-8").splitlines() for part in parts]
    found[0].insert(2, None)  # the malformed post's place
    in_order = [found[position % 3][position // 3] for position in range(10)]
    assert [line for line in in_order if line] == single.read_text(encoding="utf-8").splitlines()
    errors = out / "part-001-of-003.jsonl.errors.csv"
    assert errors.read_text(encoding="utf-8").splitlines()[1].startswith("7,")
    assert [path.name for path in out.glob("*.errors.csv")] == [errors.name]
    again = mner(*command, "--out", out, "--shard", "2/3")
    assert "finished earlier" in again.err
    assert mner(*command, "--shard", "3/3").out.splitlines() == found[2]


def test_shards_that_cannot_be_are_refused(mner, text_run, posts, tmp_path):
    command = ["tag", text_run, posts, "--out"]
    mner(*command, tmp_path / "tags", "--shard", "4/3").refused("expected --shard I/N with I from 1 to N")
    mner(*command, tmp_path / "tags.jsonl", "--shard", "1/3").refused("tags.jsonl: expected a folder: with --shard")
    mner(*command, tmp_path / "tags.parquet", "--shard", "1/3").refused("expected a folder: with --shard")
    assert [path.name for path in tmp_path.iterdir()] == ["posts.jsonl"]
    assert mner(*command, tmp_path / "tags", "--format", "conll", "--shard", "1/3").code == 0
    mner(*command, tmp_path / "tags", "--format", "conll", "--shard", "1/2").refused("found part-001-of-003.conll")
    assert mner(*command, tmp_path / "more", "--shard", "12/12").code == 0  # more shards than posts
    assert (tmp_path / "more" / "part-012-of-012.jsonl").read_text(encoding="utf-8") == ""
