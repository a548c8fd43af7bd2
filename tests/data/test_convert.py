"""Conversion between formats, tag schemes, and one file split in three."""

import importlib.util
import os
import random

import pytest

from mner_keras.data import Post, load_dataset, read_conll, read_jsonl, write_conll, write_jsonl
from mner_keras.data.datasets import convert_posts, split_posts
from mner_keras.data.files import read_posts
from mner_keras.errors import InputError

# Each format to each other one.
ENDINGS = (".txt", ".json", ".jsonl", ".conll", ".jsonl", ".json", ".tsv")
if importlib.util.find_spec("pyarrow"):
    ENDINGS += (".parquet", ".json", ".parquet", ".jsonl", ".parquet", ".txt")


def random_spans(rng):
    """The tags of random entities in IOB2, IOB1 and BIOES, each as its definition says."""
    iob2, iob1, bioes = [], [], []
    before = None
    for _ in range(rng.randint(1, 6)):
        kind, length = rng.choice((None, "PER", "LOC")), rng.randint(1, 3)
        if kind is None:
            for tags in (iob2, iob1, bioes):
                tags += ["O"] * length
        else:
            inside = [f"I-{kind}"] * (length - 1)
            iob2 += [f"B-{kind}", *inside]
            iob1 += [f"B-{kind}" if before == kind else f"I-{kind}", *inside]
            bioes += [f"S-{kind}"] if length == 1 else [f"B-{kind}", *inside[1:], f"E-{kind}"]
        before = kind
    return iob2, iob1, bioes


def test_each_scheme_becomes_iob2(tmp_path):
    rng = random.Random(1)
    posts = [random_spans(rng) for _ in range(300)]
    schemes = {name: [post[place] for post in posts] for place, name in enumerate(("iob2", "iob1", "bioes"))}
    for scheme, posts in schemes.items():
        # A token that looks like the beginning of JSON, and one like a tag.
        blocks = ("".join(f"{'{E-a'[i % 4 :]}\t{tag}\n" for i, tag in enumerate(tags)) + "\n" for tags in posts)
        (tmp_path / f"{scheme}.txt").write_text("".join(blocks), encoding="utf-8")
        convert_posts(tmp_path / f"{scheme}.txt", tmp_path / f"{scheme}.jsonl", scheme)
        assert [list(post.tags) for post in read_jsonl(tmp_path / f"{scheme}.jsonl")] == schemes["iob2"], scheme


def test_a_wrong_scheme_is_named(tmp_path):
    (tmp_path / "in.txt").write_text("a\tI-X\nb\tO\n", encoding="utf-8")
    with pytest.raises(InputError, match="found IOB1: 1 .*`mner data convert IN OUT --scheme iob1` converts"):
        convert_posts(tmp_path / "in.txt", tmp_path / "out.txt")
    (tmp_path / "in.txt").write_text("a\tB-X\nb\tE-X\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"in.txt:2: expected a BIO tag .* found 'E-X'"):
        convert_posts(tmp_path / "in.txt", tmp_path / "out.txt")
    assert not (tmp_path / "out.txt").exists()


def check_ways(folder, posts):
    """Posts pass every format in turn."""
    write_jsonl(folder / "0.jsonl", posts)
    for step, ending in enumerate(ENDINGS, start=1):
        before = next(folder.glob(f"{step - 1}.*"))
        convert_posts(before, folder / f"{step}{ending}")
        assert read_posts(folder / f"{step}{ending}") == posts


def test_posts_pass_every_format(tmp_path):
    posts = [Post(("a", "\u00a0", "\U0001f600"), ("I-X", "B-a b", "I-X"), image_id="1"), Post(("a",), ("B-X",))]
    check_ways(tmp_path, posts)


@pytest.mark.skipif("MNER_DATA" not in os.environ, reason="MNER_DATA is not set")
def test_twitter_passes_every_format(tmp_path):
    check_ways(tmp_path, load_dataset("twitter2015/original")["dev"])


def test_what_columns_cannot_contain_is_counted(tmp_path):
    posts = [
        Post(("a",), ("O",), image_id="1", id="x", pos=("NN",), extra={"lang": "en", "image": "a/1.jpg"}),
        Post.from_text("b", id="y"),
    ]
    write_jsonl(tmp_path / "in.jsonl", posts)
    _, lost = convert_posts(tmp_path / "in.jsonl", tmp_path / "out.txt")
    assert lost == {"lang": 1, "id": 2, "pos": 1, "text": 1, "path of image": 1, "absence of tags": 1}
    assert read_conll(tmp_path / "out.txt") == [Post(("a",), ("O",), image_id="1"), Post(("b",), ("O",))]
    for target in ("out.json", "again.jsonl"):
        assert convert_posts(tmp_path / "in.jsonl", tmp_path / target)[1] == {}
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "in.jsonl").read_bytes()


def test_parquet_contains_every_key(tmp_path):
    pytest.importorskip("pyarrow")
    posts = [
        Post(("a",), id="x", image_id="1", extra={"lang": "en", "image": "a/1.jpg", "likes": 5, "deep": [{"a": None}]}),
        Post(("b",), ("B-X",), pos=("NN",), extra={"lang": None, "likes": "6", "other": []}),
        Post.from_text("c &amp;", extra={"lang": "", "likes": 7, "deep": [{"a": "b"}]}),
    ]
    write_jsonl(tmp_path / "in.jsonl", posts)
    convert_posts(tmp_path / "in.jsonl", tmp_path / "out.parquet")
    convert_posts(tmp_path / "out.parquet", tmp_path / "again.jsonl")
    assert read_posts(tmp_path / "out.parquet") == read_jsonl(tmp_path / "again.jsonl") == posts
    assert [post.extra for post in read_jsonl(tmp_path / "again.jsonl")] == [post.extra for post in posts]


def test_nothing_is_overwritten(tmp_path):
    write_conll(tmp_path / "a.txt", [Post((word,), ("B-X",)) for word in "abcdefghij"])
    kept = (tmp_path / "a.txt").read_bytes()
    with pytest.raises(InputError, match=r"a.txt: expected a new file, found an existing one"):
        convert_posts(tmp_path / "a.txt", tmp_path / "a.txt")
    (tmp_path / "valid.txt").write_text("a\tO\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"valid.txt: expected a new file, found an existing one"):
        split_posts(tmp_path / "a.txt", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "valid.txt"]
    assert (tmp_path / "a.txt").read_bytes() == kept


# === Splits ===


def test_a_split_keeps_what_belongs_together(tmp_path):
    rng = random.Random(1)
    posts = []
    for number in range(500):
        picture = rng.choice((None, f"{rng.randrange(600)}"))
        posts.append(Post((f"word{rng.randrange(600)}",), ("B-X",), image_id=picture, id=str(number)))
    write_jsonl(tmp_path / "posts.jsonl", posts)
    sizes = (70, 20, 10)
    splits = split_posts(tmp_path / "posts.jsonl", tmp_path / "a", sizes, seed=3)
    assert dict(load_dataset(tmp_path / "a")) == splits
    # A partition, in the file's order, of nearly the sizes asked for.
    assert sorted((post for part in splits.values() for post in part), key=lambda post: int(post.id)) == posts
    for part, size in zip(splits.values(), sizes, strict=True):
        assert [int(post.id) for post in part] == sorted(int(post.id) for post in part)
        assert abs(len(part) - 5 * size) <= 1
    for field in ("tokens", "image_id"):
        seen = [{getattr(post, field) for post in part} - {None} for part in splits.values()]
        assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    again = split_posts(tmp_path / "posts.jsonl", tmp_path / "b", sizes, seed=3)
    assert again == splits
    assert split_posts(tmp_path / "posts.jsonl", tmp_path / "c", sizes, seed=4) != splits


def test_posts_linked_through_others_stay_together(tmp_path):
    chain = [Post((f"w{i // 2}",), ("B-X",), image_id=f"{(i + 1) // 2}") for i in range(40)]
    others = [Post((f"other{i}",), ("B-X",)) for i in range(60)]
    posts = [*chain, *others]
    random.Random(1).shuffle(posts)
    write_jsonl(tmp_path / "posts.jsonl", posts)
    splits = split_posts(tmp_path / "posts.jsonl", tmp_path / "a", (60, 20, 20))
    assert [len(part) for part in splits.values()] == [60, 20, 20]
    assert sum(any(post in chain for post in part) for part in splits.values()) == 1


def test_what_cannot_be_split_is_refused(tmp_path):
    write_jsonl(tmp_path / "one.jsonl", [Post((word,), ("B-X",), image_id="1") for word in "abcdef"])
    with pytest.raises(InputError, match="expected more posts for splits of these sizes, found 6 posts in 1 groups"):
        split_posts(tmp_path / "one.jsonl", tmp_path / "a")
    for sizes in ((80, 20), (80, 10, 20), (100, 0, 0), (120, -10, -10)):
        with pytest.raises(InputError, match="expected three positive percentages whose sum is 100"):
            split_posts(tmp_path / "one.jsonl", tmp_path / "a", sizes)
    (tmp_path / "iob1.txt").write_text("a\tI-X\n\nb\tI-X\n\nc\tI-X\n", encoding="utf-8")
    with pytest.raises(InputError, match="found IOB1"):
        split_posts(tmp_path / "iob1.txt", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_picture_of_many_posts_is_split_quickly(tmp_path):
    posts = [Post((f"w{i}",), ("B-X",), image_id="1") for i in range(5_000)]
    write_jsonl(tmp_path / "posts.jsonl", posts + [Post((word,), ("B-X",)) for word in "ab"])
    splits = split_posts(tmp_path / "posts.jsonl", tmp_path / "a")
    assert [len(part) for part in splits.values()] == [5_000, 1, 1]
