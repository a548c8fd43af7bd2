"""Readers and writers of posts: CoNLL columns, JSON lines, Label Studio's tasks, plain text and Parquet.

A malformed line is an `InputError` with file, line, what was expected and what was found: `read_*` raises it, `iter_*`
yields it in the post's place and reads on. Lines are split at the tab and never stripped: U+00A0 and zero-width
characters are ordinary tokens.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from mner_keras.data.label_studio import read_tasks, task_of_record, write_array
from mner_keras.data.parquet import parquet_records, write_parquet
from mner_keras.data.post import Post, is_bio_tag
from mner_keras.errors import InputError
from mner_keras.files import decode_line
from mner_keras.text.pos import token_offsets
from mner_keras.vision.visual_input import picture_id

_JSON_KEYS = ("id", "tokens", "text", "tags", "pos", "image")
_IMAGE_LINE = "IMGID:"


def read_conll(path: str | os.PathLike) -> list[Post]:
    """Read posts in CoNLL columns: optional `IMGID:<id>`, then `token<TAB>tag` lines and a blank line.

    Raises:
        InputError: a missing or empty file, bytes that are not UTF-8, a line of one column or three, a tag that is not
            BIO, a post without tokens.
    """
    return read_file(path, iter_conll)


def read_jsonl(path: str | os.PathLike) -> list[Post]:
    """Read posts as JSON lines with the keys `id`, `tokens` or `text`, `tags`, `pos`, `image`; other keys are kept.

    Raises:
        InputError: a missing or empty file, bytes that are not UTF-8, a line that is not a JSON object, or fields of
            unequal length.
    """
    return read_file(path, iter_jsonl)


def iter_conll(stream: IO[bytes], name: str | os.PathLike = "<stdin>") -> Iterator[Post | InputError]:
    """Yield the posts of a binary stream in CoNLL columns; a malformed one ends at the next blank line."""
    tokens: list[str] = []
    tags: list[str] = []
    image_id: str | None = None
    image_line = 0
    broken = False
    # The blank line after the last post may be missing.
    for number, raw in enumerate(itertools.chain(stream, [b""]), start=1):
        try:
            if not (line := decode_line(raw, name, number)):
                if tokens and not broken:
                    yield Post(tuple(tokens), tuple(tags), image_id)
                elif image_line and not broken:
                    expected = "expected tokens after the IMGID line"
                    yield InputError(f"{expected}, found a post with no tokens", name, image_line)
                tokens, tags, image_id, image_line, broken = [], [], None, 0, False
            elif broken:
                continue
            elif line.startswith(_IMAGE_LINE) and "\t" not in line:
                if tokens or image_line:
                    expected = f"expected a blank line before {_IMAGE_LINE}"
                    raise InputError(f"{expected}, found the line of a post", name, number)
                image_id, image_line = line[len(_IMAGE_LINE) :].strip(), number
                if not image_id:
                    raise InputError(f"expected an id after {_IMAGE_LINE}, found none", name, number)
            else:
                token, tag = _columns(line, name, number)
                tokens.append(token)
                tags.append(tag)
        except InputError as error:
            if not broken:
                yield error
            broken = True


def _columns(line: str, name: str | os.PathLike, number: int) -> tuple[str, str]:
    """Return the token and the tag of a line."""
    columns = line.split("\t")
    if len(columns) != 2:
        found = f"{len(columns)} column" + "s" * (len(columns) > 1)
        raise InputError(f"expected token<TAB>tag, found {found}: {_short(line)}", name, number)
    if not columns[0]:
        raise InputError("expected a token before the tab, found none", name, number)
    if not is_bio_tag(columns[1]):
        hint = "; `mner data convert --scheme bioes` converts it" if columns[1][:2] in ("E-", "S-") else ""
        found = _short(columns[1]) + hint
        raise InputError(f"expected a BIO tag (O, B-TYPE, I-TYPE), found {found}", name, number)
    return columns[0], columns[1]


def iter_jsonl(stream: IO[bytes], name: str | os.PathLike = "<stdin>") -> Iterator[Post | InputError]:
    """Yield the posts of a binary stream of JSON lines, or of Label Studio's tasks (a JSON array); skip blank lines."""
    lines, head = iter(stream), []
    for line in lines:
        head.append(line)
        if line.strip():
            break
    lines = itertools.chain(head, lines)
    if head and head[-1].lstrip(b"\xef\xbb\xbf \t").startswith(b"["):
        return read_tasks(b"".join(lines), name, post_from_record)
    return _by_line(lines, name, _post_from_json)


def iter_text(stream: IO[bytes], name: str | os.PathLike = "<stdin>") -> Iterator[Post | InputError]:
    """Yield the posts of a binary stream of plain text, one per line, tokenised; blank lines are skipped."""
    return _by_line(stream, name, _post_from_text)


def _by_line(stream: IO[bytes], name: str | os.PathLike, parse: Callable[[str], Post]) -> Iterator[Post | InputError]:
    for number, raw in enumerate(stream, start=1):
        try:
            line = decode_line(raw, name, number)
            post = parse(line) if line.strip() else None
        except InputError as error:
            yield error
        except ValueError as error:
            yield InputError(str(error), name, number)
        else:
            if post is not None:
                yield post


def _post_from_json(line: str) -> Post:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected one JSON object per line, found {_short(line)} ({error})") from None
    if not isinstance(record, dict):
        raise ValueError(f"expected one JSON object per line, found {_short(line)}")
    return post_from_record(record)


def _post_from_text(line: str) -> Post:
    if "\0" in line:
        raise ValueError("expected text in UTF-8, found a NUL character")
    return Post.from_text(line)


def iter_parquet(stream: IO[bytes], name: str | os.PathLike = "<stdin>") -> Iterator[Post | InputError]:
    """Yield the posts of a Parquet file with the columns of `read_jsonl`; null counts as absent.

    Raises:
        InputError: another kind of file, or a stream that is not a file; pyarrow is not installed.
    """
    for number, record in enumerate(parquet_records(stream, name), start=1):
        try:
            yield post_from_record({k: v for k, v in record.items() if v is not None or k not in _JSON_KEYS})
        except ValueError as error:
            yield InputError(str(error), name, number)


def write_conll(path: str | os.PathLike, posts: Iterable[Post]) -> None:
    """Write posts in CoNLL columns; a post without tags gets `O`.

    Raises:
        InputError: a token contains a tab or a line break.
    """
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for number, post in enumerate(posts):
            block = conll_block(post)
            # Readers drop one byte order mark at a file's start, so a token that is one needs another before it.
            file.write("\ufeff" + block if number == 0 and block.startswith("\ufeff") else block)


def conll_block(post: Post) -> str:
    """Return the CoNLL lines of one post, with its final blank line."""
    if post.image_id is not None and any(c in post.image_id for c in "\t\n\r"):
        raise InputError(f"CoNLL columns cannot contain a tab or a line break, found the image {_short(post.image_id)}")
    lines = [] if post.image_id is None else [_IMAGE_LINE + post.image_id]
    for token, tag in zip(post.tokens, post.tags or ("O",) * len(post), strict=True):
        if any(c in token for c in "\t\n\r"):
            raise InputError(f"CoNLL columns cannot contain a tab or a line break, found the token {_short(token)}")
        lines.append(f"{token}\t{tag}")
    return "\n".join(lines) + "\n\n"


def write_jsonl(path: str | os.PathLike, posts: Iterable[Post]) -> None:
    """Write posts as JSON lines that `read_jsonl` restores unchanged."""
    # Half of a surrogate pair, as in truncated tweets, is written as a JSON escape.
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        for post in posts:
            file.write(json_line(post_record(post)))


def json_line(record: dict[str, Any]) -> str:
    """Return a JSON line. Of the values of Parquet, dates and decimals become strings, bytes become null."""
    default: Callable[[Any], Any] = lambda value: None if isinstance(value, bytes) else str(value)  # noqa: E731
    return json.dumps(record, ensure_ascii=False, default=default) + "\n"


def write_label_studio(path: str | os.PathLike, posts: Iterable[Post]) -> None:
    """Write posts as Label Studio's tasks, a JSON array that `read_posts` restores unchanged.

    Raises:
        InputError: a post whose tokens do not cover its text.
    """
    write_array(path, (json_line(task_of_record(post_record(post))) for post in posts))


def post_record(post: Post) -> dict[str, Any]:
    """Return a post as the JSON object of `write_jsonl`."""
    record: dict[str, Any] = dict(post.extra)
    if post.id is not None:
        record["id"] = post.id
    if post.text is not None:
        record["text"] = post.text
    record["tokens"] = list(post.tokens)
    if post.tags is not None:
        record["tags"] = list(post.tags)
    if post.pos is not None:
        record["pos"] = list(post.pos)
    if picture_id(record.get("image") or "") != post.image_id:
        record["image"] = post.image_id
    return record


def post_from_record(record: dict[str, Any]) -> Post:
    """Return the post of a JSON object of `write_jsonl`.

    Raises:
        ValueError: the object does not describe a post.
    """
    if "tokens" not in record and not isinstance(record.get("text"), str):
        found = f"`text` {record['text']!r}" if "text" in record else "neither"
        raise ValueError(f"expected the key `tokens` (a list of strings) or `text` (a string), found {found}")
    image = record.get("image")
    if image is not None and not isinstance(image, str):
        raise ValueError(f"expected `image` to be a string or null, found {image!r}")
    extra = {key: value for key, value in record.items() if key not in _JSON_KEYS}
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
        return Post.from_text(record["text"], **fields)
    text, tokens = record.get("text"), record["tokens"]
    if isinstance(text, str) and isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
        fields.update(text=text, offsets=token_offsets(text, tokens))
    return Post(tokens, **fields)


def read_file(path: str | os.PathLike, read: Callable[..., Iterator[Post | InputError]]) -> list[Post]:
    """Return the posts that a reader of binary streams finds in a file, at least one and none malformed."""
    try:
        with open(path, "rb") as stream:
            posts = list(stop_at_error(read(stream, path)))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path) from None
    if not posts:
        raise InputError("expected posts, found an empty file", path)
    return posts


def stop_at_error(posts: Iterable[Post | InputError]) -> Iterator[Post]:
    """Yield posts; raise the first `InputError` among them."""
    for post in posts:
        if isinstance(post, InputError):
            raise post
        yield post


def _short(text: str, width: int = 60) -> str:
    return repr(text if len(text) <= width else text[:width] + "...")


READERS: dict[str, Callable[..., Iterator[Post | InputError]]] = {
    "text": iter_text,
    "jsonl": iter_jsonl,
    "conll": iter_conll,
    "parquet": iter_parquet,
    "label-studio": iter_jsonl,  # which reads both
}
"""The reader of each format, by the name that `--input` takes."""

ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "label-studio", ".conll": "conll", ".tsv": "conll"}
ENDINGS |= {".parquet": "parquet"}
"""The formats that a file's ending tells."""

WRITERS = {
    "jsonl": write_jsonl,
    "conll": write_conll,
    "label-studio": write_label_studio,
    "parquet": lambda path, posts: write_parquet(path, map(post_record, posts)),
}
"""The writer of each format."""


def read_posts(path: str | os.PathLike) -> list[Post]:
    """Read a file of tagged posts in the format of its ending, otherwise as CoNLL columns."""
    return read_file(path, READERS[ENDINGS.get(Path(path).suffix.lower(), "conll")])
