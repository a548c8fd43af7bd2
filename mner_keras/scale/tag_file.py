"""Tag a stream of posts, and write the answers to standard output or to a file that survives a kill."""

import dataclasses
import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mner_keras.data.files import conll_block, import_pyarrow, json_line, write_array, write_parquet
from mner_keras.data.label_studio import task_of_record
from mner_keras.data.post import Post, post_record
from mner_keras.errors import InputError
from mner_keras.files import Report, file_sha256
from mner_keras.models import find_model_file
from mner_keras.scale.outputs import ResumableFile
from mner_keras.scale.tag_posts import SHOWN, PostTagger
from mner_keras.tagged_post import TaggedPost

# What makes the file of a format from the written lines.
CONVERTERS = {"label-studio": write_array, "parquet": lambda path, lines: write_parquet(path, map(json.loads, lines))}


def tag_stream(
    tagger: PostTagger,
    posts: Iterator[Post | InputError],
    output: "ResumableFile | StandardOutput",
    write: Callable[[TaggedPost], str],
    rank: bool = False,
    show: Callable[[], None] | None = None,
) -> None:
    """Tag posts, or list the errors in their places, and finish the output; raise `InputError` if no post can be read.

    With `rank`, the least certain answers come first, and all of them are kept in memory. `show` is called after each
    step of a file, which is tagged in equal steps, however often it is interrupted.
    """
    first, kept = None, []
    for chunk in _chunks(posts, tagger.chunk, wait=show is not None):
        errors = [post for post in chunk if isinstance(post, InputError)]
        tagged, _ = tagger([post for post in chunk if isinstance(post, Post)])
        if rank:
            kept += tagged
            tagged = []
        output.write("".join(map(write, tagged)), errors, len(chunk))
        first = first or next(iter(errors), None)
        if show is not None:
            show()
    if first is not None and output.failed == output.done:
        more = f"; none of the {output.done:,} posts can be read" if output.done > 1 else ""
        raise InputError(first.reason + more, first.path, first.line)
    if kept:
        output.write("".join(map(write, sorted(kept, key=lambda one: one.certainty))), [], 0)
    output.finish()


def _chunks(posts: Iterator[Post | InputError], most: int, wait: bool) -> Iterator[list[Post | InputError]]:
    """Yield posts, `most` at a time, while a thread reads on.

    Unless `wait` is set, those that have arrived are enough: a slow stream is tagged at once.
    """
    arrived: queue.Queue[Any] = queue.Queue(maxsize=2 * most)
    end, raised, chunk = object(), [], []

    def read() -> None:
        try:
            for post in posts:
                arrived.put(post)
        except Exception as error:  # noqa: BLE001 (raised again in the main thread)
            raised.append(error)
        arrived.put(end)

    threading.Thread(target=read, daemon=True).start()
    for post in iter(arrived.get, end):
        chunk.append(post)
        if len(chunk) == most or not wait and arrived.empty():
            yield chunk
            chunk = []
    if chunk:
        yield chunk
    for error in raised:
        raise error


class StandardOutput:
    """Writes like a `ResumableFile`, on standard output; malformed posts are reported."""

    done = failed = 0
    finished = False

    def __init__(self, format_: str, report: Report) -> None:
        if format_ == "parquet":
            raise InputError("Parquet is not written to standard output: name a file with --out")
        if sys.stdout is None:
            raise InputError("standard output is closed")
        # Lines end with one line feed on every system; half of a surrogate pair becomes a JSON escape.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
        self._report = report
        self._array = format_ == "label-studio"
        self._comma = "["

    def write(self, text: str, errors: Sequence[InputError], inputs: int) -> None:
        if self._array and text:
            text = f"{self._comma}\n" + text.rstrip("\n").replace("\n", ",\n")
            self._comma = ","
        sys.stdout.write(text)
        sys.stdout.flush()
        for error in errors[: max(0, SHOWN - self.failed)]:
            self._report(f"{error}: skipped")
        self.done += inputs
        self.failed += len(errors)

    def finish(self) -> None:
        if self.failed > SHOWN:
            self._report(f"{self.failed - SHOWN:,} more posts skipped")

    def close(self) -> None:
        """Close an array, after an error, too."""
        if self._array:
            sys.stdout.write("\n]\n" if self._comma == "," else "[]\n")


def open_output(
    out: Path, file: str, model: Path, format_: str, options: dict[str, Any] | None, overwrite: bool
) -> ResumableFile:
    """Open the file to write. It can be continued if `file` is one and `options` name what the answers depend on."""
    about = None
    if os.path.isfile(file):
        if out.exists() and os.path.samefile(file, out):
            raise InputError("expected another file to write, found the file of posts", out)
        model_file = Path(find_model_file(model))
        if not model_file.is_file():
            raise InputError("expected a model, found no such file", model_file)
        if options is not None:
            paths = {key: os.path.abspath(value) for key, value in options.items() if isinstance(value, Path)}
            about = {"model": file_sha256(model_file), "input": file_sha256(file), **options, **paths}
    if format_ == "parquet":
        import_pyarrow()
    return ResumableFile(out, about, overwrite, CONVERTERS.get(format_))


def answer_text(tagged: TaggedPost, format_: str, version: str, min_score: float) -> str:
    """Return the lines of a tagged post in a format, without the entities of a lower score.

    Parquet is written as JSON lines; Label Studio needs the model's `version`; `text` has the names in brackets:
    `Benz in [LOC Los Angeles]`.
    """
    if min_score:
        tagged = tagged.above(min_score)
    post = dataclasses.replace(tagged.post, tags=tagged.tags)
    if format_ == "conll":
        return conll_block(post)
    if format_ == "text":
        pieces = list(post.tokens)
        for entity in tagged.entities:
            pieces[entity.start] = f"[{entity.type} {pieces[entity.start]}"
            pieces[entity.end - 1] += "]"
        return " ".join(pieces) + "\n"
    record = post_record(post)
    if format_ == "label-studio":
        del record["tags"]
        return json_line(task_of_record(record, tagged.entities, version, tagged.certainty))
    found = [{key: value for key, value in vars(entity).items() if value is not None} for entity in tagged.entities]
    return json_line({**record, "entities": found})
