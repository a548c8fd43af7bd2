"""Readers and writers of posts: CoNLL columns, JSON lines, Parquet, Label Studio's tasks and plain text.

A malformed line is an `InputError`: `read_*` raises it, `iter_*` yields it in the post's place and reads on. Lines are
split at the tab and never stripped: U+00A0 and zero-width characters are ordinary tokens.
"""

import codecs
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from mner_keras.data.label_studio import read_tasks, task_of_record
from mner_keras.data.post import RECORD_KEYS, Post, is_bio_tag, post_from_record, post_record
from mner_keras.errors import InputError
from mner_keras.files import decode_line

ROWS = 16_384  # posts per row group of a Parquet file that is written here
_IMAGE_LINE = "IMGID:"
_BLANK = (b"", b"\n", b"\r\n", b"\r")
_OURS = {b"writer": b"mner-keras"}


def read_conll(path: str | os.PathLike) -> list[Post]:
    """Read posts in CoNLL columns: optional `IMGID:<id>`, then `token<TAB>tag` lines and a blank line.

    Raises:
        InputError: a missing, empty or malformed file.
    """
    return read_file(path, iter_conll)


def read_jsonl(path: str | os.PathLike) -> list[Post]:
    """Read posts as JSON lines with the keys `id`, `tokens` or `text`, `tags`, `pos`, `image`; other keys are kept.

    Raise `InputError` as `read_conll` does.
    """
    return read_file(path, iter_jsonl)


def read_posts(path: str | os.PathLike) -> list[Post]:
    """Read a file of tagged posts in the format of its ending, otherwise as CoNLL columns."""
    return read_file(path, READERS[format_of(path)])


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


def iter_conll(stream: Iterable[bytes], name: str | os.PathLike = "<stdin>") -> Iterator[Post | InputError]:
    """Yield the posts of a binary stream in CoNLL columns; a malformed one ends at the next blank line."""
    block: list[tuple[int, bytes]] = []
    # The blank line after the last post may be missing.
    for number, raw in enumerate(itertools.chain(stream, [b""]), start=1):
        if (raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw) not in _BLANK:
            block.append((number, raw))
        elif block:
            try:
                yield _post_of_block(block, name)
            except InputError as error:
                yield error
            block = []


def _post_of_block(block: list[tuple[int, bytes]], name: str | os.PathLike) -> Post:
    first, image_id, tokens, tags = block[0][0], None, [], []
    for number, raw in block:
        line = decode_line(raw, name, number)
        if line.startswith(_IMAGE_LINE) and "\t" not in line:
            if number != first:
                reason = f"expected a blank line before {_IMAGE_LINE}, found the line of a post"
                raise InputError(reason, name, number)
            image_id = line[len(_IMAGE_LINE) :].strip()
            if not image_id:
                raise InputError(f"expected an id after {_IMAGE_LINE}, found none", name, number)
            continue
        token, *rest = line.split("\t")
        if len(rest) != 1:
            found = f"{1 + len(rest)} column" + "s" * bool(rest)
            raise InputError(f"expected token<TAB>tag, found {found}: {_short(line)}", name, number)
        if not token:
            raise InputError("expected a token before the tab, found none", name, number)
        if not is_bio_tag(rest[0]):
            hint = "; `mner data convert --scheme bioes` converts it" if rest[0][:2] in ("E-", "S-") else ""
            raise InputError(f"expected a BIO tag (O, B-TYPE, I-TYPE), found {_short(rest[0])}{hint}", name, number)
        tokens.append(token)
        tags += rest
    if not tokens:
        raise InputError("expected tokens after the IMGID line, found a post with no tokens", name, first)
    return Post(tokens, tags, image_id)


def iter_jsonl(stream: Iterable[bytes], name: str | os.PathLike = "<stdin>") -> Iterator[Post | InputError]:
    """Yield the posts of a binary stream of JSON lines, or of Label Studio's tasks (a JSON array); skip blank lines."""
    lines, head = iter(stream), []
    is_array = next_line(lines, head).lstrip().startswith("[")
    lines = itertools.chain(head, lines)
    return read_tasks(b"".join(lines), name) if is_array else _by_line(lines, name, _post_from_json)


def next_line(lines: Iterator[bytes], head: list[bytes]) -> str:
    """Return the next line that is not blank, without trailing white space, or ""; add what is read to `head`."""
    for line in lines:
        head.append(line)
        text = line.decode("utf-8-sig", errors="replace")
        if text.strip():
            return text.rstrip()
    return ""


def iter_text(stream: Iterable[bytes], name: str | os.PathLike = "<stdin>") -> Iterator[Post | InputError]:
    """Yield the posts of a binary stream of plain text, one per line, tokenised; blank lines are skipped."""
    return _by_line(stream, name, _post_from_text)


def _by_line(
    stream: Iterable[bytes], name: str | os.PathLike, parse: Callable[[str], Post]
) -> Iterator[Post | InputError]:
    for number, raw in enumerate(stream, start=1):
        try:
            line = decode_line(raw, name, number)
            if line.strip():
                yield parse(line)
        except InputError as error:
            yield error
        except ValueError as error:
            yield InputError(str(error), name, number)


def _post_from_json(line: str) -> Post:
    expected = f"expected one JSON object per line, found {_short(line)}"
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{expected} ({error})") from None
    if not isinstance(record, dict):
        raise ValueError(expected)
    return post_from_record(record)


def _post_from_text(line: str) -> Post:
    if "\0" in line:
        raise ValueError("expected text in UTF-8, found a NUL character")
    return Post.from_text(line)


def iter_parquet(stream: IO[bytes], name: str | os.PathLike = "<stdin>") -> Iterator[Post | InputError]:
    """Yield the posts of a Parquet file with the columns of `read_jsonl`; null counts as absent.

    Raise `InputError` for another kind of file, a damaged one, a stream that is not a file, or without pyarrow.
    """
    pa = import_pyarrow()
    if not stream.seekable():
        raise InputError("expected a file of Parquet, found a stream", name)
    try:
        file = pa.parquet.ParquetFile(stream)
        ours = _OURS.items() <= (file.schema_arrow.metadata or {}).items()
        rows = itertools.chain.from_iterable(batch.to_pylist() for batch in file.iter_batches(batch_size=1024))
        for number, row in enumerate(rows, start=1):
            record = {key: value for key, value in row.items() if value is not None or not (ours or key in RECORD_KEYS)}
            if ours:
                record |= json.loads(record.pop("extra", "{}"))
            try:
                yield post_from_record(record)
            except ValueError as error:
                yield InputError(str(error), name, number)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"expected a Parquet file, found another kind or a damaged one ({reason})", name) from None


def import_pyarrow() -> Any:
    """Import pyarrow; raise `InputError` if it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("Parquet needs pyarrow, which is not installed: pip install 'mner-keras[parquet]'") from None
    return pyarrow


def column_types() -> dict[str, Any]:
    """Return the Arrow types of a tagged post's columns. `extra` is a JSON object with all other fields."""
    pa = import_pyarrow()
    strings, string, number = pa.list_(pa.string()), pa.string(), pa.int64()
    entity = {"text": string, "type": string, "start": number, "end": number, "score": pa.float64()}
    entity |= {"start_char": number, "end_char": number}
    columns = {"id": string, "text": string, "tokens": strings, "tags": strings, "pos": strings, "image": string}
    return {**columns, "entities": pa.list_(pa.struct(list(entity.items()))), "extra": string}


def write_conll(path: str | os.PathLike, posts: Iterable[Post]) -> None:
    """Write posts in CoNLL columns; a post without tags gets `O`.

    Raise `InputError` if a token or a picture's name contains a tab or a line break.
    """
    blocks = map(conll_block, posts)
    first = next(blocks, "")
    # Readers drop one byte order mark at a file's start, so a token that is one needs another before it.
    _write_lines(path, itertools.chain(["\ufeff"] if first.startswith("\ufeff") else [], [first], blocks))


def conll_block(post: Post) -> str:
    """Return the CoNLL lines of one post, with its final blank line."""
    image = [] if post.image_id is None else [post.image_id]
    for what, texts in (("image", image), ("token", post.tokens)):
        for text in texts:
            if any(c in text for c in "\t\n\r"):
                raise InputError(f"CoNLL columns cannot contain a tab or a line break, found the {what} {_short(text)}")
    lines = [_IMAGE_LINE + image_id for image_id in image]
    lines += map("\t".join, zip(post.tokens, post.tags or ("O",) * len(post), strict=True))
    return "\n".join(lines) + "\n\n"


def write_jsonl(path: str | os.PathLike, posts: Iterable[Post]) -> None:
    """Write posts as JSON lines that `read_jsonl` restores unchanged."""
    _write_lines(path, map(json_line, map(post_record, posts)))


def json_line(record: Mapping[str, Any]) -> str:
    """Return a JSON line. Of the values of Parquet, dates and decimals become strings, bytes become null."""
    default: Callable[[Any], Any] = lambda value: None if isinstance(value, bytes) else str(value)  # noqa: E731
    return json.dumps(record, ensure_ascii=False, default=default) + "\n"


def write_label_studio(path: str | os.PathLike, posts: Iterable[Post]) -> None:
    """Write posts, whose tokens must cover their text, as Label Studio's tasks that `read_posts` restores unchanged."""
    write_array(path, (json_line(task_of_record(post_record(post))) for post in posts))


def write_array(path: str | os.PathLike, lines: Iterable[str]) -> None:
    """Write JSON lines as one JSON array."""
    starts = itertools.chain(["[\n"], itertools.repeat(",\n"))
    array = (start + line.rstrip("\n") for start, line in zip(starts, lines, strict=False))
    _write_lines(path, itertools.chain(array, ["\n]\n"]))


def _write_lines(path: str | os.PathLike, lines: Iterable[str]) -> None:
    """Write text in which half of a surrogate pair, as in truncated tweets, becomes a JSON escape."""
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.writelines(lines)


def write_parquet(path: str | os.PathLike, records: Iterable[Mapping[str, Any]]) -> None:
    """Write posts, given as their JSON objects, as Parquet with the columns of `column_types`.

    Half of a surrogate pair, which Parquet cannot contain, becomes a question mark.
    """
    pa, types = import_pyarrow(), column_types()

    def row(record: Mapping[str, Any]) -> dict[str, Any]:
        extra = {key: value for key, value in record.items() if key not in types}
        return {**{name: record.get(name) for name in types}, "extra": json_line(extra).rstrip() if extra else None}

    schema, rows = pa.schema(list(types.items()), _OURS), map(row, records)
    with pa.parquet.ParquetWriter(path, schema) as writer:
        while group := list(itertools.islice(rows, ROWS)):
            group = json.loads(json.dumps(group, ensure_ascii=False).encode("utf-8", "replace"))
            writer.write_table(pa.Table.from_pylist(group, schema))


def _short(text: str, width: int = 60) -> str:
    return repr(text if len(text) <= width else text[:width] + "...")


# The reader of each format, by the name that `--input` takes, and the writer.
READERS: dict[str, Callable[..., Iterator[Post | InputError]]] = {
    "text": iter_text,
    "jsonl": iter_jsonl,
    "conll": iter_conll,
    "parquet": iter_parquet,
    "label-studio": iter_jsonl,  # which reads both
}
WRITERS: dict[str, Callable[[Path, Iterable[Post]], None]] = {
    "jsonl": write_jsonl,
    "conll": write_conll,
    "label-studio": write_label_studio,
    "parquet": lambda path, posts: write_parquet(path, map(post_record, posts)),
}
# The formats that a file's ending tells.
ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "label-studio", ".conll": "conll", ".tsv": "conll"}
ENDINGS |= {".parquet": "parquet"}


def format_of(path: str | os.PathLike) -> str:
    """Return the format of a file's ending, by default CoNLL columns."""
    return ENDINGS.get(Path(path).suffix.lower(), "conll")
