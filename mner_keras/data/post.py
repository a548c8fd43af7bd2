"""`Post`, one social-media post; its JSON object; and the entities of its tags, read as strict IOB2."""

import dataclasses
import functools
import os
import reprlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from mner_keras.errors import InputError
from mner_keras.text.pos import lacks_spaces, token_offsets, tokenize_with_offsets
from mner_keras.vision.visual_input import picture_id

RECORD_KEYS = ("id", "tokens", "text", "tags", "pos", "image")  # of a post's JSON object; other keys are `extra`


@dataclasses.dataclass(frozen=True)
class Post:
    """A tokenised post with optional tags, picture and parts of speech. Immutable and hashable.

    Args:
        tokens: the post's words, at least one, none empty.
        tags: one BIO tag per token (`O`, `B-PER`, `I-PER`, ...), or `None` for an untagged post.
        image_id: the picture's name without folder, extension and surrounding white space; `None` for no picture.
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
        for name in ("tokens", "tags", "pos", "offsets"):
            value = getattr(self, name)
            if value is None and name != "tokens":
                continue
            if name != "offsets":
                if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
                    raise ValueError(f"`{name}` must be a sequence of strings. Received: {name}={reprlib.repr(value)}")
                object.__setattr__(self, name, tuple(value))
            if len(value) != len(self.tokens):
                raise ValueError(f"`{name}` must have one entry per token, {len(self.tokens)}. Received: {len(value)}")
        if not self.tokens:
            raise ValueError("`tokens` must contain at least one token. Received: no tokens")
        if "" in self.tokens:
            raise ValueError(f"`tokens` must not be empty strings. Received: '' as token {self.tokens.index('') + 1}")
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
    def from_text(cls, text: str, **fields: Any) -> Self:
        """Tokenise plain text (NLTK's `TweetTokenizer`) with offsets; raise `ValueError` if it contains no token."""
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


def post_record(post: Post) -> dict[str, Any]:
    """Return a post as the JSON object of `write_jsonl`."""
    record: dict[str, Any] = dict(post.extra)
    for name in ("id", "text", "tokens", "tags", "pos"):
        value = getattr(post, name)
        if value is not None:
            record[name] = list(value) if isinstance(value, tuple) else value
    if picture_id(record.get("image") or "") != post.image_id:
        record["image"] = post.image_id
    return record


def post_from_record(record: Mapping[str, Any]) -> Post:
    """Return the post of a JSON object of `write_jsonl`; raise `ValueError` if the object does not describe one."""
    tokens, text, image = record.get("tokens"), record.get("text"), record.get("image")
    if "tokens" not in record and not isinstance(text, str):
        found = f"`text` {text!r}" if "text" in record else "neither"
        raise ValueError(f"expected the key `tokens` (a list of strings) or `text` (a string), found {found}")
    if image is not None and not isinstance(image, str):
        raise ValueError(f"expected `image` to be a string or null, found {image!r}")
    extra = {key: value for key, value in record.items() if key not in RECORD_KEYS}
    if image and picture_id(image) != image:
        extra["image"] = image  # its path or URL
    fields: dict[str, Any] = {
        "tags": record.get("tags"),
        "pos": record.get("pos"),
        "image_id": (image or "").strip() or None,
        "id": None if record.get("id") is None else str(record["id"]),
        "extra": extra,
    }
    if "tokens" not in record:
        return Post.from_text(text, **fields)
    if isinstance(text, str) and isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
        fields.update(text=text, offsets=token_offsets(text, tokens))
    return Post(tokens, **fields)


@dataclasses.dataclass(frozen=True)
class Entity:
    """A named entity in a post.

    Args:
        text: its tokens joined by spaces, or the part of the plain text that it covers.
        type: `PER`, `LOC`, ...
        start: the position of its first token.
        end: the position after its last token.
        score: the smallest marginal probability of its tags; `None` without a model.
        start_char: its start in the plain text, in characters; `None` for a post given as tokens.
        end_char: its end in the plain text, exclusive.
    """

    text: str
    type: str
    start: int
    end: int
    score: float | None = None
    start_char: int | None = None
    end_char: int | None = None


def entity_spans(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the entities of a tag sequence as (type, first token, token after the last), strict IOB2.

    An `I-` that follows no tag of its own type (an orphan) belongs to no entity.
    """
    spans = []
    start, kind = None, None
    for position, tag in enumerate([*tags, "O"]):
        if start is not None and tag != f"I-{kind}":
            spans.append((kind, start, position))
            start = None
        if tag.startswith("B-"):
            start, kind = position, tag[2:]
    return spans


def orphan_positions(tags: Sequence[str]) -> list[int]:
    """Return the positions of the `I-` tags that follow no tag of their own type."""
    previous = ("O", *tags)
    return [i for i, tag in enumerate(tags) if tag.startswith("I-") and previous[i][2:] != tag[2:]]


def check_iob2(tags: Iterable[Sequence[str]], path: str | os.PathLike | None = None) -> None:
    """Refuse tags in IOB1, where `I-` opens entities: read as strict IOB2 they contain almost no entities.

    Raise `InputError`, which names the posts' file, if more entities open at an orphan I- than at a B-.
    """
    tags = list(tags)
    orphans = sum(len(orphan_positions(sequence)) for sequence in tags)
    opened = sum(tag.startswith("B-") for sequence in tags for tag in sequence)
    if orphans > opened:
        found = f"IOB1: {orphans:,} entities open at an I- and {opened:,} at a B-"
        hint = "`mner data convert IN OUT --scheme iob1` converts them"
        raise InputError(f"expected IOB2 tags, where B- opens each entity; found {found}. {hint}", path)
