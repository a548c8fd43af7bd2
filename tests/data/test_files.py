"""Readers and writers: what goes in comes out, and what is malformed is named by file and line."""

import dataclasses
import io
import itertools
import json
import sys

import pytest

from mner_keras.data import Post, read_conll, read_jsonl, write_conll, write_jsonl
from mner_keras.data.files import iter_conll, iter_jsonl, iter_parquet, iter_text, post_record, read_posts
from mner_keras.errors import InputError

HOSTILE = (
    "\ufeff",  # readers drop one at the start of a file
    "\u00a0",
    "\u200e",
    "\u2028",
    "\u2029",
    "\u0085",
    "\u200b",
    "\u2060",
    " ",
    "\x0b",
    "\x1c",
    "\u202eabc\u202c",
    "\u05e9\u05dc\u05d5\u05dd",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "e\u0301",
    "IMGID:1",
    "{",
    '"',
    "\\",
    "x" * 5000,
)


def shown(text):
    return ascii(text[:20])


def write(folder, content, name="posts.txt"):
    path = folder / name
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def error_of(path, read):
    """The error of a malformed file and its message without the path."""
    with pytest.raises(InputError) as caught:
        read(path)
    return caught.value, str(caught.value).removeprefix(str(path))


# === CoNLL columns ===


def test_conll_holds_pictures_tokens_and_tags(tmp_path):
    path = write(tmp_path, "IMGID:12\nAnna\tB-PER\nsings\tO\n\nin\tO\nRome\tB-LOC\n\n")
    assert read_conll(path) == [
        Post(("Anna", "sings"), ("B-PER", "O"), image_id="12"),
        Post(("in", "Rome"), ("O", "B-LOC")),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "\nIMGID:1\na\tO\n\nIMGID:2\nb\tO\n\n",
        "IMGID:1\na\tO\n\nIMGID:2\nb\tO\n",
        "IMGID:1\na\tO\n\nIMGID:2\nb\tO",
        "\n\n\nIMGID:1\na\tO\n\n\n\nIMGID:2\nb\tO\n\n\n",
        "IMGID:1\r\na\tO\r\n\r\nIMGID:2\r\nb\tO\r\n",
        "\ufeffIMGID:1\na\tO\n\nIMGID:2\nb\tO\n\n",
    ],
    ids=["blank at the start", "no blank at the end", "no line feed at the end", "many blanks", "CRLF", "BOM"],
)
def test_conll_is_read_however_it_begins_and_ends(tmp_path, content):
    expected = [Post(("a",), ("O",), image_id="1"), Post(("b",), ("O",), image_id="2")]
    assert read_conll(write(tmp_path, content)) == expected


@pytest.mark.parametrize("token", [*HOSTILE, "\t", "\n", "\r\n", "\x00"], ids=shown)
@pytest.mark.parametrize(("write_posts", "read"), [(write_conll, read_conll), (write_jsonl, read_jsonl)])
def test_any_token_comes_back(tmp_path, token, write_posts, read):
    if write_posts is write_conll and token in "\t\r\n":
        return
    posts = [Post((token,), ("B-PER",)), Post(("a", token), ("O", "I-LOC"), image_id="x")]
    write_posts(tmp_path / "posts", posts)
    assert read(tmp_path / "posts") == posts


def test_conll_of_a_post_without_tags_holds_o_and_no_tab_or_line_break(tmp_path):
    path = tmp_path / "posts.txt"
    write_conll(path, [Post(("a", "b"))])
    assert path.read_bytes() == b"a\tO\nb\tO\n\n"
    for text in ("a\tb", "a\nb", "a\rb"):
        for post, part in ((Post((text,)), "token"), (Post(("a",), image_id=text), "image")):
            with pytest.raises(InputError, match=f"cannot contain a tab or a line break, found the {part}"):
                write_conll(path, [post])


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("Anna\n", 1, ":1: expected token<TAB>tag, found 1 column: 'Anna'"),
        ("a\tO\nAnna B-PER\n", 2, ":2: expected token<TAB>tag, found 1 column: 'Anna B-PER'"),
        ("a\tO\n\nAnna\tNNP\tB-PER\n", 3, ":3: expected token<TAB>tag, found 3 columns: 'Anna\\tNNP\\tB-PER'"),
        ("a\tO\n  \n", 2, ":2: expected token<TAB>tag, found 1 column: '  '"),
        ("\tO\n", 1, ":1: expected a token before the tab, found none"),
        (
            "a\tO\nAnna\tS-PER\n",
            2,
            ":2: expected a BIO tag (O, B-TYPE, I-TYPE), found 'S-PER'; `mner data convert --scheme bioes` converts it",
        ),
        ("Anna\tPER\n", 1, ":1: expected a BIO tag (O, B-TYPE, I-TYPE), found 'PER'"),
        ("Anna\tO \n", 1, ":1: expected a BIO tag (O, B-TYPE, I-TYPE), found 'O '"),
        ("Anna\tB-PER \n", 1, ":1: expected a BIO tag (O, B-TYPE, I-TYPE), found 'B-PER '"),
        ("Anna\tB-PER\u00a0\n", 1, ":1: expected a BIO tag (O, B-TYPE, I-TYPE), found 'B-PER\\xa0'"),
        ("Anna\tB-PER\u200b\n", 1, ":1: expected a BIO tag (O, B-TYPE, I-TYPE), found 'B-PER\\u200b'"),
        ("Anna\tB-\n", 1, ":1: expected a BIO tag (O, B-TYPE, I-TYPE), found 'B-'"),
        ("IMGID: \na\tO\n", 1, ":1: expected an id after IMGID:, found none"),
        ("Anna\t\n", 1, ":1: expected a BIO tag (O, B-TYPE, I-TYPE), found ''"),
        (b"a\tO\n\xe9t\xe9\tO\n", 2, ":2: expected UTF-8, found the byte 0xe9"),
        (b"\xff\xfea\x00", 1, ":1: expected UTF-8, found the byte 0xff"),
        ("a\tO\n\nIMGID:1\n", 3, ":3: expected tokens after the IMGID line, found a post with no tokens"),
        ("IMGID:1\nIMGID:2\na\tO\n", 2, ":2: expected a blank line before IMGID:, found the line of a post"),
        ("a\tO\nIMGID:2\nb\tO\n", 2, ":2: expected a blank line before IMGID:, found the line of a post"),
    ],
)
def test_malformed_conll_names_file_line_expected_and_found(tmp_path, content, line, message):
    error, text = error_of(write(tmp_path, content), read_conll)
    assert text == message
    assert error.line == line
    # It is one error, and the post after the next blank line is read.
    content = (content if isinstance(content, bytes) else content.encode()).rstrip(b"\n") + b"\n\nz\tB-LOC\n"
    for end in (b"\n", b"\r\n"):
        *_, error, last = iter_conll(io.BytesIO(content.replace(b"\n", end)))
        assert (error.line, last) == (line, Post(("z",), ("B-LOC",)))


@pytest.mark.parametrize("read", [read_conll, read_jsonl, read_posts])
def test_a_file_without_posts_is_an_error(tmp_path, read):
    for content in ("", "\n\n"):
        path = write(tmp_path, content)
        assert error_of(path, read)[1] == ": expected posts, found an empty file"
    for path in (tmp_path / "none.txt", tmp_path):
        assert error_of(path, read)[1].startswith(": cannot be read: ")


# === JSON lines ===


def test_jsonl_gives_back_every_field(tmp_path):
    posts = [
        Post(("Anna", "sings"), ("B-PER", "O"), image_id="12", pos=("NNP", "VBZ"), id="a"),
        Post(("b",)),
        Post.from_text("Los Angeles &amp; more!!!!! &lt;3&nbsp; a", id="t"),
    ]
    path = tmp_path / "posts.jsonl"
    write_jsonl(path, posts)
    again = read_jsonl(path)
    assert again == posts
    assert (again[2].text, again[2].offsets) == (posts[2].text, posts[2].offsets)


def test_jsonl_keeps_the_path_of_a_picture_until_the_picture_is_another(tmp_path):
    records = [{"tokens": ["a"], "image": image} for image in ("a/12.jpg", "https://host/12.jpg", "12", None)]
    path = write(tmp_path, "\n".join(map(json.dumps, records)), "in.jsonl")
    posts = read_jsonl(path)
    assert [post.image_id for post in posts] == ["12", "12", "12", None]
    assert [post_record(post) for post in posts] == records
    assert post_record(dataclasses.replace(posts[0], image_id="13"))["image"] == "13"
    assert post_record(dataclasses.replace(posts[0], image_id=None))["image"] is None


def test_jsonl_passes_unknown_keys_through(tmp_path):
    record = {"lang": "en", "deep": {"a": [1, None, "\u00e9"]}, "cut": "\ud83d", "id": "1", "tokens": ["a"]}
    record["image"] = None
    path = write(tmp_path, json.dumps(record) + "\n", "in.jsonl")
    posts = read_jsonl(path)
    assert posts[0].extra == {"lang": "en", "deep": {"a": [1, None, "\u00e9"]}, "cut": "\ud83d"}
    write_jsonl(tmp_path / "out.jsonl", posts)
    assert json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8")) == record


def test_jsonl_takes_text_in_the_place_of_tokens_or_finds_them_in_it(tmp_path):
    lines = [
        '\ufeff{"text": "Benz in Los Angeles", "id": 7}\r',
        "\r",
        '{"text": "a banana, a", "tokens": ["a", "banana", ",", "a"]}',
        '{"text": "ab", "tokens": ["x"]}',
    ]
    cut, found, lost = read_jsonl(write(tmp_path, "\n".join(lines), "in.jsonl"))
    assert (cut.tokens, cut.id) == (("Benz", "in", "Los", "Angeles"), "7")
    assert cut.offsets == ((0, 4), (5, 7), (8, 11), (12, 19))
    assert found.offsets == ((0, 1), (2, 8), (8, 9), (10, 11))
    assert lost.offsets is None


@pytest.mark.parametrize(
    ("image", "image_id"),
    [
        ("123", "123"),
        ("123.jpg", "123"),
        ("123.JPG", "123"),
        ("a.b.png", "a.b"),
        ("folder/123.jpeg", "123"),
        ("folder\\123.webp", "123"),
        ("123.jfif", "123"),
        ("123.jpe", "123"),
        ("123.jpg_large", "123"),
        ("123.gif", "123"),
        ("123.jpg.jpg", "123"),
        (" 123 ", "123"),
        ("\u00a0123.jpg\u00a0", "123"),
        ("123 .jpg", "123"),
        ("16_05_01_3.5", "16_05_01_3.5"),
        ("a.txt", "a.txt"),
        (".jpg", ".jpg"),
        ("/", "/"),
        ("", None),
        ("  ", None),
        (None, None),
    ],
)
def test_a_picture_has_one_id_in_every_format(tmp_path, image, image_id):
    path = write(tmp_path, json.dumps({"tokens": ["a"], "image": image}), "in.jsonl")
    assert read_jsonl(path)[0].image_id == image_id
    if image_id is not None:
        assert read_conll(write(tmp_path, f"IMGID:{image}\na\tO\n"))[0].image_id == image_id
        assert Post(("a",), image_id=image).image_id == image_id
        assert Post(("a",), image_id=image_id).image_id == image_id


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"tokens": ["a"], "tags": ["O", "O"]}', ": `tags` must have one entry per token, 1. Received: 2"),
        ('{"tokens": null}', ": `tokens` must be a sequence of strings. Received: tokens=None"),
        ('{"text": "  "}', ": `tokens` must contain at least one token. Received: no tokens"),
        (
            '{"tokens": ["a"], "tags": ["B-PER\\u00a0"]}',
            ": `tags` must be BIO tags (O, B-TYPE, I-TYPE). Received: 'B-PER\\xa0'",
        ),
        ('{"words": ["a"]}', ": expected the key `tokens` (a list of strings) or `text` (a string), found neither"),
        ('{"text": 5}', ": expected the key `tokens` (a list of strings) or `text` (a string), found `text` 5"),
        ('{"tokens": ["a"], "image": 5}', ": expected `image` to be a string or null, found 5"),
        ('"a"', ": expected one JSON object per line, found '\"a\"'"),
        ("null", ": expected one JSON object per line, found 'null'"),
    ],
)
def test_malformed_jsonl_names_file_line_expected_and_found(tmp_path, line, expected):
    error, text = error_of(write(tmp_path, '{"tokens": ["good"]}\n\n' + line + "\n"), read_jsonl)
    assert text == ":3" + expected
    assert error.line == 3


def test_a_line_that_is_no_json_is_quoted(tmp_path):
    _, text = error_of(write(tmp_path, '{"tokens": ["a"]}\nnot json\n'), read_jsonl)
    assert text.startswith(":2: expected one JSON object per line, found 'not json' (")
    for line in ('{"tokens": ["a"]\n', '{"tokens": ' + "[" * 100_000 + "\n"):
        _, text = error_of(write(tmp_path, line), read_jsonl)
        assert text.startswith(":1: expected one JSON object per line, found ")


def test_an_error_quotes_what_is_long_in_part(tmp_path):
    for content, read in ((json.dumps({"tokens": ["word"] * 5000 + [1]}), read_jsonl), ("x" * 10_000, read_conll)):
        _, text = error_of(write(tmp_path, content), read)
        assert len(text) < 400
        assert "\n" not in text


# === Streams ===


def test_streams_are_read_post_by_post():
    def lines(line):
        for _ in range(50):
            yield line
        raise AssertionError("read to its end")

    for reader, line in ((iter_jsonl, b'{"tokens": ["a"]}\n'), (iter_text, b"Anna sings\n")):
        assert len(list(itertools.islice(reader(lines(line)), 10))) == 10
    posts = iter_conll(io.BytesIO(b"a\tO\n\nb\tO\n\nbroken\n"), "here")
    assert [next(posts).tokens, next(posts).tokens] == [("a",), ("b",)]
    assert str(next(posts)).startswith("here:5: ")


def test_plain_text_is_one_post_a_line_and_blank_lines_are_none():
    posts = list(iter_text(io.BytesIO(b"\xef\xbb\xbfAnna sings\r\n\n   \nin Rome")))
    assert [post.tokens for post in posts] == [("Anna", "sings"), ("in", "Rome")]
    assert posts[0].text == "Anna sings"
    anna, error, rome = iter_text(io.BytesIO(b"Anna\n&nbsp;\nRome\n"), "posts.txt")
    assert (anna.tokens, rome.tokens) == (("Anna",), ("Rome",))
    assert str(error).startswith("posts.txt:2: `tokens` must contain at least one token")
    assert (error.line, error.reason) == (2, str(error).partition(": ")[2])


def test_every_malformed_line_of_many_is_found():
    good = b'{"tokens": ["a"]}\n'
    content = (good * 99 + b"{\n") * 20
    for reader, lines in ((iter_jsonl, content), (iter_text, content.replace(b"{\n", b"&nbsp;\n"))):
        found = list(reader(io.BytesIO(lines)))
        assert [post.line for post in found if isinstance(post, InputError)] == list(range(100, 2001, 100))
        assert len(found) == 2000


# === Parquet ===


def write_parquet(path, records):
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pa.Table.from_pylist(records), path)
    return path


def test_parquet_reads_as_json_lines_do(tmp_path):
    records = [
        {"id": "1", "tokens": ["Anna", "sings"], "tags": ["B-PER", "O"], "image": "7.jpg", "lang": "en", "text": None},
        {"id": "2", "tokens": None, "tags": None, "image": None, "lang": None, "text": "in  Rome"},
    ]
    posts = read_posts(write_parquet(tmp_path / "train.parquet", records))
    lines = [{key: value for key, value in record.items() if value is not None} for record in records]
    as_lines = "".join(json.dumps(record) + "\n" for record in lines)
    assert posts == read_jsonl(write(tmp_path, as_lines, "train.jsonl"))
    assert (posts[0].extra["lang"], posts[1].text) == ("en", "in  Rome")


def test_a_row_of_parquet_without_a_post_is_one_error(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", [{"text": "a"}, {"text": None}, {"text": "b"}])
    with open(path, "rb") as stream:
        first, error, last = iter_parquet(stream, "a.parquet")
    assert (first.text, last.text) == ("a", "b")
    assert str(error).startswith("a.parquet:2: expected the key `tokens`")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100), b'{"text": "a"}\n' * 50])
def test_what_is_no_parquet_is_refused(tmp_path, content):
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{path}: expected a Parquet file"):
        read_posts(path)


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'mner-keras\[parquet\]'"):
        read_posts(write(tmp_path, "a", "a.parquet"))


@pytest.mark.parametrize("name", ["p.jsonl", "p.ndjson", "p.txt", "p.conll", "p"])
def test_the_ending_tells_the_format(tmp_path, name):
    content = '{"tokens": ["a"], "tags": ["O"]}' if "json" in name else "a\tO"
    assert read_posts(write(tmp_path, content, name)) == [Post(("a",), ("O",))]
