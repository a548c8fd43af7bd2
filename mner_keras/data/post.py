"""`Post`: one social-media post."""

from __future__ import annotations

import dataclasses
import functools
import reprlib
import warnings
from collections.abc import Mapping
from typing import Any

from mner_keras.text.pos import lacks_spaces, tokenize_with_offsets
from mner_keras.vision.visual_input import picture_id


@dataclasses.dataclass(frozen=True)
class Post:
    """A tokenised post with optional tags, picture and parts of speech. Immutable and hashable.

    Args:
        tokens: the post's words, at least one, none empty.
        tags: one BIO tag per token (`O`, `B-PER`, `I-PER`, ...), or `None` for an untagged post.
        image_id: the picture's name, stripped of folder, extension and surrounding white space; `None` for a plain-text
            post.
        pos: one Penn Treebank tag per token; if `None`, NLTK creates them when a model needs them.
        id: the post's identifier in its source.
        text: the text that the tokens were cut from, if any.
        offsets: the position of each token in `text`: pairs of start and end in characters, end exclusive.
        extra: other fields of a JSONL source, kept unchanged.

    Raises:
        ValueError: no token, an empty token, an unknown tag scheme, or a field whose length differs from `tokens`.
    """

    tokens: tuple[str, ...]
    tags: tuple[str, ...] | None = None
    image_id: str | None = None
    pos: tuple[str, ...] | None = None
    id: str | None = None
    text: str | None = dataclasses.field(default=None, compare=False, repr=False)
    offsets: tuple[tuple[int, int], ...] | None = dataclasses.field(default=None, compare=False, repr=False)
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("tokens", "tags", "pos"):
            value = getattr(self, name)
            if value is None and name != "tokens":
                continue
            if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
                raise ValueError(f"`{name}` must be a sequence of strings. Received: {name}={reprlib.repr(value)}")
            object.__setattr__(self, name, tuple(value))
        if not self.tokens:
            raise ValueError("`tokens` must contain at least one token. Received: no tokens")
        if "" in self.tokens:
            raise ValueError(f"`tokens` must not be empty strings. Received: '' as token {self.tokens.index('') + 1}")
        for name in ("tags", "pos", "offsets"):
            value = getattr(self, name)
            if value is not None and len(value) != len(self.tokens):
                raise ValueError(f"`{name}` must have one entry per token, {len(self.tokens)}. Received: {len(value)}")
        for tag in self.tags or ():
            if not is_bio_tag(tag):
                raise ValueError(f"`tags` must be BIO tags (O, B-TYPE, I-TYPE). Received: {reprlib.repr(tag)}")
        if self.image_id is not None:
            object.__setattr__(self, "image_id", picture_id(self.image_id))
        if self.image_id == "":
            raise ValueError("`image_id` must be a name, or None for a post without a picture. Received: ''")
        for name in ("tokens", "tags"):
            try:
                "".join(getattr(self, name) or ()).encode()
            except UnicodeEncodeError as error:
                found = error.object[error.start]
                raise ValueError(f"`{name}` must be Unicode text. Received: the lone surrogate {found!r}") from None

    @classmethod
    def from_text(cls, text: str, **fields: Any) -> Post:
        """Tokenise plain text (NLTK's `TweetTokenizer`) and keep the offset of each token.

        Raises:
            ValueError: the text contains no token.
        """
        if lacks_spaces(text):
            _warn_of_missing_spaces()
        pieces = tokenize_with_offsets(text)
        tokens = tuple(piece[0] for piece in pieces)
        return cls(tokens, text=text, offsets=tuple((start, end) for _, start, end in pieces), **fields)

    def __len__(self) -> int:
        return len(self.tokens)


@functools.cache  # one warning per process
def _warn_of_missing_spaces() -> None:
    warnings.warn(
        "found text without spaces between words (such as Chinese, Japanese or Thai): each phrase becomes one token; "
        "give such posts as `tokens`, from a word segmenter for the language",
        stacklevel=3,
    )


def is_bio_tag(tag: str) -> bool:
    """Return whether `tag` is `O`, `B-TYPE` or `I-TYPE`, without white space or invisible characters."""
    kind = tag[2:]
    return tag == "O" or (tag[:2] in ("B-", "I-") and kind != "" and kind == kind.strip() and kind.isprintable())
