import random

import pytest

from mner_keras.text import tokenize, tokenize_with_offsets
from mner_keras.text.pos import lacks_spaces

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
THUMB = "\U0001f44d\U0001f3fd"
FLAG = "\U0001f1ec\U0001f1e7"

TEXTS = [
    "",
    "   \n\t ",
    "RT @user: Barack Obama in #Chicago :-) http://t.co/a1B2?x=1&amp;y=2 ...",
    f"hi {FAMILY}{THUMB} {FLAG}\U0001f1eb\U0001f1f7 \u2764\ufe0f",
    "\U0001f600" * 12 + " end",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd, \u0645\u0631\u062d\u0628\u0627 \u200fabc",
    "a\u200db \u200b\u200bx \ufeff\u2060",
    "AT&amp;T &lt;3 &amp;amp; &#x1F600; &#128; &nbsp; &bogus; R&D; &#0; &#xD800; &#99999999; &xi; & && &&&&&&&",
    "sooooooooooo gooood!!!!!!!!!! ______ ------",
    "a\u0301\u0301\u0301\u0301\u0301\u0301\u0301b",
    ". . . and 100 2015 123456789 555-1234",
    "line\u2028break\u0085here\u00a0there",
    "\ud83d lone",
    "x" * 5000,
    "1" * 5000,
    "-" * 5000,
]


def assert_offsets_are_right(text):
    end_before = 0
    for token, start, end in tokenize_with_offsets(text):
        assert token and not any(character.isspace() for character in token)
        assert end_before <= start < end <= len(text)
        assert not text[end_before:start].replace("&nbsp;", "").strip()
        if "&" not in text[start:end] and token != text[start:end]:
            assert len(token) < end - start
            assert set(token) == set(text[start:end])
        end_before = end
    assert not text[end_before:].strip()


@pytest.mark.parametrize("text", TEXTS)
def test_offsets_leave_only_white_space_out(text):
    assert_offsets_are_right(text)
    assert tokenize(text) == [token for token, _, _ in tokenize_with_offsets(text)]


def test_offsets_of_random_texts():
    pieces = ["a", "B1", " ", "\u00a0", "!", "!!!!", "&amp;", "&lt;", "&", ";", "#", "@x", FAMILY, THUMB, "\u200b", "."]
    source = random.Random(0)
    for _ in range(300):
        assert_offsets_are_right("".join(source.choices(pieces, k=source.randrange(30))))


def test_plain_tweet_is_tokenized_as_nltk_does():
    from nltk.tokenize import TweetTokenizer

    text = "RT @user: Barack Obama in #Chicago :-) it's &lt;3 http://t.co/a1B2 !!!!!"
    assert tokenize(text) == TweetTokenizer().tokenize(text)


@pytest.mark.parametrize(
    ("text", "tokens", "written"),
    [
        ("a &amp; b", ["a", "&", "b"], ["a", "&amp;", "b"]),
        ("x &lt;3", ["x", "<3"], ["x", "&lt;3"]),
        ("&amp;lt;", ["&", "lt", ";"], ["&amp;", "lt", ";"]),  # decoded once
        ("R&Dx; &bogus;", ["R", "&", "Dx", ";", "&", "bogus", ";"], None),
        ("no!!!!!!", ["no", "!", "!", "!"], ["no", "!", "!", "!!!!"]),
        ("soooooo", ["soooooo"], None),
        (f"{FAMILY} {THUMB} {FLAG}", [FAMILY, THUMB, FLAG], None),
        ("wait . . . in 100 2015", ["wait", ".", ".", ".", "in", "100", "2015"], None),
        ("123456789", ["123456789"], None),
    ],
)
def test_tokens_and_what_they_span(text, tokens, written):
    found = tokenize_with_offsets(text)
    assert [token for token, _, _ in found] == tokens
    assert [text[start:end] for _, start, end in found] == (written or tokens)


def test_entities_of_no_character_stay():
    assert "".join(tokenize("&#0; &#xD800; &#99999999;")) == "&#0;&#xD800;&#99999999;"


def test_text_must_be_a_string():
    with pytest.raises(TypeError, match="`text` must be a string. Received: bytes"):
        tokenize(b"abc")


def test_scripts_without_spaces_are_recognised():
    for text in ("今天天气很好，我去北京", "ฉันรักกรุงเทพมหานคร", "東京タワーに行きました！ #tower", "ខ្ញុំស្រឡាញ់"):
        assert lacks_spaces(text), text
    for text in ("", "Anna", "café", "한국어 트윗 서울", "我 爱 北京", "Anna and a lot of words #東京オリンピック"):
        assert not lacks_spaces(text), text
