"""`Post`: one social-media post, the unit that everything else reads and writes."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping
from typing import Any

from mner_keras.text.pos import tokenize_with_offsets
from mner_keras.vision.picture_ids import picture_id


@dataclasses.dataclass(frozen=True)
class Post:
    """A tokenised post, with its tags, its picture and its parts of speech where they are known.

    Posts are immutable and hashable. A post without a picture is a plain-text post, and first-class everywhere.

    Args:
        tokens: the post's words, at least one, none of them empty.
        tags: one BIO tag a token (`O`, `B-PER`, `I-PER`, ...), or `None` for a post that is still to be tagged.
        image_id: the picture's name, which is kept without folder, ending and surrounding white space; `None` for a
            plain-text post.
        pos: one Penn Treebank tag a token, or `None`: then NLTK makes them when a model needs them.
        id: the post's own identifier, where its source has one.
        text: the text that the tokens were cut from, where they were.
        offsets: where each token stands in `text`: pairs of start and end, in characters, end exclusive.
        extra: further fields of a JSONL source, which pass through unchanged.

    Raises:
        ValueError: no token, an empty token, an unknown tag scheme, or a field of another length than `tokens`.
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
            raise ValueError("`tokens` must hold at least one token. Received: no tokens")
        if "" in self.tokens:
            raise ValueError(f"`tokens` must not be empty strings. Received: '' as token {self.tokens.index('') + 1}")
        for name in ("tags", "pos", "offsets"):
            value = getattr(self, name)
            if value is not None and len(value) != len(self.tokens):
                raise ValueError(f"`{name}` must have one entry a token, {len(self.tokens)}. Received: {len(value)}")
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
        """Cut plain text into tokens (NLTK's `TweetTokenizer`) and remember where each of them stands.

        Raises:
            ValueError: the text holds no token.
        """
        pieces = tokenize_with_offsets(text)
        tokens = tuple(piece[0] for piece in pieces)
        return cls(tokens, text=text, offsets=tuple((start, end) for _, start, end in pieces), **fields)

    def __len__(self) -> int:
        return len(self.tokens)


def is_bio_tag(tag: str) -> bool:
    """Whether `tag` is `O`, `B-TYPE` or `I-TYPE`, without white space around it or invisible characters in it."""
    kind = tag[2:]
    return tag == "O" or (tag[:2] in ("B-", "I-") and kind != "" and kind == kind.strip() and kind.isprintable())
