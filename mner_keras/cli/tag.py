"""`mner tag`."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import json
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from mner_keras.cli.keras_start import start_keras
from mner_keras.cli.options import ExtractorWeights, Format
from mner_keras.cli.terminal import note, progress_bar
from mner_keras.errors import InputError

if TYPE_CHECKING:
    from mner_keras.data.post import Post
    from mner_keras.tagged_post import TaggedPost

SHOWN = 10
"""The number of unreadable pictures to name."""

CHUNK = 4096
"""The number of posts tagged and written at once, which bounds the memory."""


def tag(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="A model's file or a run's folder.")],
    file: Annotated[str, typer.Argument(help="File of posts, or - for standard input.")] = "-",
    features: Annotated[str, typer.Option(help="Store of the posts' pictures. (default: no pictures)")] = "",
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the posts' pictures, found by the posts' `image`; or one picture for all posts. The "
            "model's extractor computes their features."
        ),
    ] = None,
    weights: ExtractorWeights = None,
    input_: Annotated[
        Format | None,
        typer.Option("--input", help="Input format. (default: detected from the file's extension or first lines)"),
    ] = None,
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            help="Output format: JSON lines with entities and scores, CoNLL columns, text with names in brackets, or "
            "Label Studio's tasks with predictions.",
        ),
    ] = Format.jsonl,
    scores: Annotated[bool, typer.Option("--scores/--no-scores", help="Whether entities have scores.")] = True,
) -> None:
    """Tag posts one after the other; the memory does not depend on their number.

    Reads JSON lines, Label Studio's tasks, CoNLL columns or plain text (one post per line), detected from the file's
    extension or first lines, or set by `--input`. A malformed line ends the command; the posts before it are written.
    Pictures come from a store (`--features`) or from picture files (`--pictures`).
    """
    if features and pictures:
        raise InputError("`--features` and `--pictures` exclude each other")
    stream, name = _open(file)
    if sys.stdout is None:
        raise InputError("standard output is closed")
    from mner_keras.models import load_tagger, reads_store, reads_subwords, visual_input

    start_keras(all_cores=pictures is not None or reads_subwords(model))
    from mner_keras.data.batches import count_missing
    from mner_keras.data.input_formats import read_posts_to_tag
    from mner_keras.vision import PictureFeatures, find_pictures, load_extractor, open_picture
    from mner_keras.vision.feature_store import FeatureStore

    tagger = load_tagger(model)
    visual = visual_input(tagger)
    store = FeatureStore(features) if features else None
    if store is not None and not reads_store(tagger):
        note("the model does not read pictures: `--features` is ignored")
        store = None
    picture = extractor = None
    if pictures is not None:
        of_posts = pictures.is_dir()
        found = find_pictures([pictures])[0] if of_posts else open_picture(pictures)
        with progress_bar("bytes") as progress:
            extractor = load_extractor(visual, weights, progress)
        store, picture = (PictureFeatures(found, extractor), None) if of_posts else (None, found)
    options = {}
    if not scores:
        if "scores" not in inspect.signature(tagger.tag).parameters:
            raise InputError(f"`--no-scores` must be left out: a {type(tagger).__name__} always gives scores", model)
        options["scores"] = False
    named = missing = 0
    # Lines end with one line feed on every system; half of a surrogate pair becomes a JSON escape.
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    write = WRITERS.get(format_) or _task_writer(str(model))
    if format_ not in WRITERS:
        sys.stdout.write("[")
        context.call_on_close(lambda: sys.stdout.write("\n]\n"))  # after an error, too
    for posts in _chunks(read_posts_to_tag(stream, name, input_ or "")):
        named += sum(post.image_id is not None for post in posts)
        missing += count_missing(posts, store)
        if picture is not None:
            tagged = tagger.tag(posts, pictures=[picture] * len(posts), extractor=extractor, **options)
        else:
            tagged = tagger.tag(posts, **({} if store is None else {"features": store}), **options)
        sys.stdout.writelines(map(write, tagged))
        sys.stdout.flush()
    where = "store" if pictures is None else "folder"
    if missing and missing == named:
        note(f"warning: the {where} contains none of the pictures of {named:,} posts")
    elif missing:
        note(f"{missing:,} posts name a picture missing from the {where}: treated as none")
    failed = list(store.failed.values()) if isinstance(store, PictureFeatures) else []
    for reason in failed[:SHOWN]:
        note(f"{reason}: ignored")
    if len(failed) > SHOWN:
        note(f"{len(failed) - SHOWN:,} more pictures could not be read")


def _open(file: str) -> tuple[IO[bytes], str]:
    if file == "-":
        if sys.stdin is None:
            raise InputError("expected posts on standard input, found it closed")
        return sys.stdin.buffer, "<stdin>"
    try:
        stream = open(file, "rb")  # noqa: SIM115 (read to the command's end)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file) from None
    if not stream.peek(1):
        raise InputError("expected posts, found an empty file", file)
    return stream, file


def _chunks(posts: Iterator[Post]) -> Iterator[list[Post]]:
    """Yield the posts that have arrived, at most `CHUNK` at a time: a slow stream is tagged without waiting."""
    arrived: queue.Queue[Any] = queue.Queue(maxsize=2 * CHUNK)

    def read() -> None:
        error = None
        try:
            for post in posts:
                arrived.put(post)
        except Exception as raised:  # noqa: BLE001 (raised again in the main thread)
            error = raised
        arrived.put((error,))

    threading.Thread(target=read, daemon=True).start()
    end = None
    while end is None:
        chunk = [arrived.get()]
        while len(chunk) < CHUNK and not arrived.empty():
            chunk.append(arrived.get())
        if isinstance(chunk[-1], tuple):
            end = chunk.pop()
        if chunk:
            yield chunk
    if end[0] is not None:
        raise end[0]


def _jsonl(tagged: TaggedPost) -> str:
    from mner_keras.data.files import post_record

    record = post_record(dataclasses.replace(tagged.post, tags=tagged.tags))
    record["entities"] = [
        {key: value for key, value in dataclasses.asdict(entity).items() if value is not None}
        for entity in tagged.entities
    ]
    return json.dumps(record, ensure_ascii=False) + "\n"


def _conll(tagged: TaggedPost) -> str:
    from mner_keras.data.files import conll_block

    return conll_block(dataclasses.replace(tagged.post, tags=tagged.tags))


def _text(tagged: TaggedPost) -> str:
    """Return the post's tokens with its names in brackets: `Beautiful [OTHER Benz] in [LOC Los Angeles]`."""
    pieces = list(tagged.post.tokens)
    for entity in tagged.entities:
        pieces[entity.start] = f"[{entity.type} {pieces[entity.start]}"
        pieces[entity.end - 1] += "]"
    return " ".join(pieces) + "\n"


def _task_writer(version: str) -> Callable[[TaggedPost], str]:
    """Return a writer of the tasks of a JSON array, for Label Studio."""
    from mner_keras.data.files import post_record
    from mner_keras.data.label_studio import task_of_record

    before = itertools.chain(["\n"], itertools.repeat(",\n"))

    def write(tagged: TaggedPost) -> str:
        task = task_of_record(post_record(dataclasses.replace(tagged.post, tags=None)), tagged.entities, version)
        return next(before) + json.dumps(task, ensure_ascii=False)

    return write


WRITERS = {"jsonl": _jsonl, "conll": _conll, "text": _text}
