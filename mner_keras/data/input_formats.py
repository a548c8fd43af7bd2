"""The input formats of posts to tag, and their detection."""

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from mner_keras.data.files import ENDINGS, READERS, next_line
from mner_keras.data.post import Post, is_bio_tag
from mner_keras.errors import InputError

_JSON = re.compile(r"""\s*([\[{]\s*$|\{\s*["'}]|\[\s*["'{\]]|\[\s*\[\s*["'])""")
_CONLL_COMMENT = re.compile(r"-DOCSTART-|#\s*(id|sent_id|text|newdoc|newpar|global\.columns)\b")
_CSV_NAMES = {"text", "texts", "tweet", "tweets", "sentence", "sentences", "content", "post", "posts", "message"}
_CSV_NAMES |= {"token", "tokens", "word", "words", "tag", "tags", "label", "labels", "id", "tweet_id", "image"}
_LFS_POINTER = "version https://git-lfs"


def read_posts_to_tag(stream: Iterable[bytes], name: str, format_: str = "") -> Iterator[Post | InputError]:
    """Read the posts of a binary stream lazily; a malformed post is the `InputError` that says so.

    Without a `format_`, the ending of `name` or the first lines decide: a table (CSV) or a Git LFS pointer is an error.
    """
    format_ = format_ or ENDINGS.get(Path(name).suffix.lower(), "")
    if format_:
        yield from READERS[format_](stream, name)
        return
    lines, head = iter(stream), []
    format_ = _recognise(lines, head, name)
    for number, post in enumerate(READERS[format_](itertools.chain(head, lines), name)):
        if number == 0 and isinstance(post, InputError):
            hint = f"The input looks like {format_}; --input {'|'.join(READERS)} sets another format"
            post = InputError(f"{post.reason}. {hint}", post.path, post.line)
        yield post


def _recognise(lines: Iterator[bytes], head: list[bytes], name: str) -> str:
    """Detect a format by the first lines, which are added to `head`."""
    first = next_line(lines, head)
    if first.startswith(_LFS_POINTER):
        raise InputError("expected posts, found a Git LFS pointer; fetch the file with `git lfs pull`", name)
    if _JSON.match(first):
        return "jsonl"
    if Path(name).suffix.lower() == ".csv" or _is_csv_header(first):
        hint = "Convert it to JSON lines, or read each line as a post with --input text"
        expected = "expected JSON lines, CoNLL columns or plain text, found a table (CSV)"
        raise InputError(f"{expected}. {hint}", name, len(head))
    if "\t" in first or first.startswith("IMGID:") or _CONLL_COMMENT.match(first):
        return "conll"
    # One line such as "Jackie O" is text; two consecutive lines that end in a tag are columns.
    return "conll" if _is_columns(first) and _is_columns(next_line(lines, head)) else "text"


def _is_columns(line: str) -> bool:
    columns = line.split()
    return len(columns) > 1 and is_bio_tag(columns[-1])


def _is_csv_header(line: str) -> bool:
    """Return whether a line is a row of column names, one of them common in tables of posts."""
    for separator in ",;":
        names = [cell.strip().strip("\"'").lower() for cell in line.split(separator)]
        if len(names) > 1 and all(re.fullmatch(r"[\w.-]*", name) for name in names):
            known = len(_CSV_NAMES.intersection(names))
            # "Well, post!" is text: a header rarely has a space after its commas.
            return known > 1 or (known == 1 and not re.search(separator + r"\s", line))
    return False
