"""What a stream of posts is taken for: each format that people give is read as what it is, or refused."""

import io
import re

import pytest

from mner_keras.data.files import READERS
from mner_keras.data.input_formats import read_posts_to_tag
from mner_keras.errors import InputError

ANNA = [("Anna", "sings")]


def tokens(content, name="<stdin>", format_=""):
    content = content.encode() if isinstance(content, str) else content
    found = []
    for post in read_posts_to_tag(io.BytesIO(content), name, format_):
        if isinstance(post, InputError):
            raise post
        found.append(post.tokens)
    return found


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("<stdin>", "Anna sings\n"),
        ("a.txt", "Anna sings"),
        ("<stdin>", "\ufeff\n\nAnna sings\n"),
        ("<stdin>", '{"tokens": ["Anna", "sings"]}\n'),
        ("<stdin>", '\ufeff { "tokens": ["Anna", "sings"]}\n'),
        ("a.json", '{"tokens": ["Anna", "sings"]}\n'),
        ("a.ndjson", '{"tokens": ["Anna", "sings"]}\n'),
        ("a.csv", '{"tokens": ["Anna", "sings"]}\n'),
        ("<stdin>", "Anna\tB-PER\nsings\tO\n"),
        ("a.tsv", "Anna\tB-PER\nsings\tO\n"),
        ("<stdin>", "IMGID: 12.jpg\nAnna\tB-PER\nsings\tO\n"),
    ],
)
def test_what_is_read_is_recognised(name, content):
    assert tokens(content, name) == ANNA


@pytest.mark.parametrize(
    "text",
    [
        "[VIDEO] Anna sings",
        "[ Anna ] sings",
        "[[link]] by Anna",
        "{hello} Anna",
        "Jackie O",
        "Jackie O\nand Anna",
        "text, tweet and post",
        "Anna, post!",
        "# Anna sings",
        '"Anna sings"',
        "Rome; Paris",
        "-Anna",
        "1,2",
    ],
)
def test_posts_that_look_a_little_like_another_format_are_texts(text):
    assert len(tokens(text)) == len(text.split("\n"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '[{"text": "Anna"}, {"text": "b"}]', "a.json:1: expected one JSON object per line, found '[{"),
        ("<stdin>", '[{"text": "Anna"}]', "<stdin>:1: expected one JSON object per line, found '[{"),
        ("a.txt", '[\n  {"text": "Anna"}\n]\n', "a.txt:1: expected one JSON object per line, found '['"),
        ("a.txt", "[]\n", "a.txt:1: expected one JSON object per line, found '[]'"),
        ("a.txt", '["Anna", "b"]\n', "a.txt:1: expected one JSON object per line"),
        ("a.txt", '[["Anna", "b"]]\n', "a.txt:1: expected one JSON object per line"),
        ("a.txt", '{\n  "text": "Anna"\n}\n', "a.txt:1: expected one JSON object per line, found '{'"),
        ("a.txt", '{"text": "Anna",\n "id": 1}\n', "a.txt:1: expected one JSON object per line"),
        ("a.txt", "{'text': 'Anna'}\n", "a.txt:1: expected one JSON object per line"),
        ("a.json", '{"data": [{"text": "Anna"}]}', "a.json:1: expected the key `tokens`"),
        ("a.csv", "Anna sings\n", "a.csv:1: expected JSON lines, CoNLL columns or plain text, found a table (CSV)"),
        ("<stdin>", "id,text\n1,Anna\n", "<stdin>:1: expected JSON lines, CoNLL columns or plain text, found a table"),
        ("<stdin>", '\n"text";"label"\nAnna;1\n', "<stdin>:2: expected JSON lines"),
        ("<stdin>", "tweet_id, text\n1, Anna\n", "found a table (CSV)"),
        ("<stdin>", ",text\n0,Anna\n", "found a table (CSV)"),
        ("<stdin>", "id\ttext\n1\tAnna\n", "<stdin>:1: expected a BIO tag"),
        ("a.tsv", "Anna sings\n", "a.tsv:1: expected token<TAB>tag"),
        (
            "eng.testb",
            "-DOCSTART- -X- O O\n\nAnna NNP B-NP B-PER\n",
            "eng.testb:1: expected token<TAB>tag, found 1 column",
        ),
        ("a.txt", "-DOCSTART-\n\nAnna NNP B-NP B-PER\n", "a.txt:1: expected token<TAB>tag"),
        ("a.txt", "-DOCSTART-\tO\n\nAnna\tNNP\tB-NP\tB-PER\n", "a.txt:3: expected token<TAB>tag, found 4 columns"),
        ("a.txt", "Anna NNP B-NP I-PER\nsings VBZ B-VP O\n", "a.txt:1: expected token<TAB>tag, found 1 column"),
        ("a.txt", "\nAnna B-PER\n\nsings O\n", "a.txt:2: expected token<TAB>tag, found 1 column: 'Anna B-PER'"),
        ("a.txt", "Anna\tNNP\tB-PER\n", "a.txt:1: expected token<TAB>tag, found 3 columns"),
        ("a.txt", "# sent_id = 1\n# text = Anna\n1\tAnna\n", "a.txt:1: expected token<TAB>tag"),
        ("a.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:4d\n", "found a Git LFS pointer"),
    ],
)
def test_other_formats_are_refused(name, content, message):
    with pytest.raises(InputError, match=re.escape(message)):
        # A CoNLL-2003 file may begin with a line that is a post of one token.
        tokens(content, name)


def test_utf16_is_refused_with_and_without_a_byte_order_mark():
    with pytest.raises(InputError, match=r"<stdin>:1: expected UTF-8, found the byte 0xff"):
        tokens("Anna sings\n".encode("utf-16"))
    with pytest.raises(InputError, match=r"<stdin>:1: expected text in UTF-8, found a NUL character"):
        tokens("Anna sings\n".encode("utf-16-le"))


def test_the_error_of_a_guessed_format_names_the_option():
    with pytest.raises(
        InputError, match=r"The input looks like jsonl; --input text\|jsonl\|conll\S* sets another format$"
    ):
        tokens('["Anna" she said\n')
    with pytest.raises(InputError) as caught:
        tokens("Anna\n", "a.conll")
    assert "--input" not in str(caught.value)


@pytest.mark.parametrize(
    "content", ["Anna\tsings", "[\n{", "id,text", "-DOCSTART- O", "IMGID:1", "{", "Anna O\nsings O", "# text = Anna"]
)
def test_each_format_can_be_set(content):
    for name in ("<stdin>", "a.csv", "a.jsonl", "a.conll"):
        assert len(tokens(content, name, "text")) == len(content.split("\n"))
    assert tokens("Anna\tO\nsings\tO\n", "a.jsonl", "conll") == ANNA
    assert tokens('{"tokens": ["Anna", "sings"]}', "a.conll", "jsonl") == ANNA
    with pytest.raises(InputError, match="expected one JSON object per line"):
        tokens(content, "a.txt", "jsonl")


@pytest.mark.parametrize("format_", ["", *(name for name in READERS if name != "parquet")])
@pytest.mark.parametrize("content", ["", "\n", " \n\n", "\ufeff"])
def test_a_stream_without_a_post_gives_none(content, format_):
    if format_ == "conll" and content.strip("\n\ufeff"):
        return
    assert tokens(content, format_=format_) == []


def test_a_first_line_is_answered_before_the_second_comes():
    def stream():
        yield b"Anna sings\n"
        raise AssertionError("asked for more")

    assert next(read_posts_to_tag(stream(), "<stdin>")).tokens == ANNA[0]
