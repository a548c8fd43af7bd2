"""`Post`: what it holds, what it refuses, and in which words."""

import dataclasses
import re

import pytest

from mner_keras.data import Post


def test_a_post_is_frozen_hashable_and_equal_by_value():
    post = Post(["Anna", "sings"], ["B-PER", "O"], image_id="1", pos=["NNP", "VBZ"], id="a")
    same = Post(("Anna", "sings"), ("B-PER", "O"), image_id="1", pos=("NNP", "VBZ"), id="a")
    plain = Post(["a", "b"])
    # Where a post comes from does not change what it equals.
    carried = Post(["a", "b"], text="a b", offsets=((0, 1), (2, 3)), extra={"lang": ["en"]})
    assert (post, plain) == (same, carried)
    assert len({post, same, plain, carried, Post(["Anna"])}) == 3
    assert (plain.tags, plain.image_id, plain.pos, plain.id, plain.text, plain.offsets) == (None,) * 6
    assert plain.extra == {}
    with pytest.raises(dataclasses.FrozenInstanceError):
        post.tokens = ("other",)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tokens": []}, "`tokens` must contain at least one token. Received: no tokens"),
        ({"tokens": ["a", ""]}, "`tokens` must not be empty strings. Received: '' as token 2"),
        ({"tokens": "word"}, "`tokens` must be a sequence of strings. Received: tokens='word'"),
        ({"tokens": None}, "`tokens` must be a sequence of strings. Received: tokens=None"),
        ({"tokens": ["a", 1]}, "`tokens` must be a sequence of strings. Received: tokens=['a', 1]"),
        ({"tokens": ["a"], "tags": "O"}, "`tags` must be a sequence of strings. Received: tags='O'"),
        ({"tokens": ["a"], "tags": []}, "`tags` must have one entry per token, 1. Received: 0"),
        ({"tokens": ["a", "b"], "tags": ["O"] * 3}, "`tags` must have one entry per token, 2. Received: 3"),
        ({"tokens": ["a", "b"], "pos": ["DT"]}, "`pos` must have one entry per token, 2. Received: 1"),
        ({"tokens": ["a", "b"], "offsets": ((0, 1),)}, "`offsets` must have one entry per token, 2. Received: 1"),
        ({"tokens": ["a"], "tags": ["S-PER"]}, "`tags` must be BIO tags (O, B-TYPE, I-TYPE). Received: 'S-PER'"),
        ({"tokens": ["a"], "tags": ["o"]}, "`tags` must be BIO tags (O, B-TYPE, I-TYPE). Received: 'o'"),
    ],
)
def test_what_is_no_post_is_refused_with_what_was_expected_and_received(fields, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Post(**fields)


def test_any_string_that_is_not_empty_is_a_token():
    tokens = ("\u00a0", "\u200e", "\u200b", "\u2028", "\t", " ", "\U0001f468\u200d\U0001f469", "x" * 5000)
    assert Post(tokens).tokens == tokens


def test_plain_text_is_cut_into_tokens_that_know_where_they_stand():
    text = "  Benz in Los Angeles \U0001f600 &amp; #LA!!"
    post = Post.from_text(text, id="7", image_id="p")
    assert (post.text, post.id, post.image_id) == (text, "7", "p")
    assert post.tokens[:4] == ("Benz", "in", "Los", "Angeles")
    assert len(post.offsets) == len(post.tokens)
    pieces = [text[start:end] for start, end in post.offsets]
    assert [piece.replace("&amp;", "&") for piece in pieces] == list(post.tokens)
    assert all(a[1] <= b[0] for a, b in zip(post.offsets, post.offsets[1:], strict=False))


def test_text_without_a_token_is_refused():
    for text in ("", "   ", "\n\t"):
        with pytest.raises(ValueError, match="at least one token"):
            Post.from_text(text)
