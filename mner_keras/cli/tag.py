"""`mner tag`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mner_keras.data.post import Post
    from mner_keras.tagged_post import System, TaggedPost
    from mner_keras.tagger import Tagger
    from mner_keras.vision import PictureFeatures
    from mner_keras.vision.extraction import Extractor

FORMATS = ("jsonl", "conll", "text")
"""The formats of input and output."""

SHOWN = 10
"""The number of unreadable pictures to name."""

CHUNK = 1024
"""The number of posts tagged and written at once, which bounds the memory."""


def tag(
    model: Annotated[Path, typer.Argument(help="A model's file or a run's folder.", show_default=False)],
    file: Annotated[str, typer.Argument(help="File of posts, or - for standard input.")] = "-",
    features: Annotated[
        str, typer.Option(help="Store of the posts' pictures. (default: no pictures)", show_default=False)
    ] = "",
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the posts' pictures, found by the posts' `image`; or one picture for all posts. The "
            "model's extractor computes their features.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="The file of the extractor's weights. (default: the published weights, downloaded on first use)",
            show_default=False,
        ),
    ] = None,
    input_: Annotated[
        str,
        typer.Option(
            "--input",
            metavar="|".join(FORMATS),
            help="Input format. (default: detected from the file's extension or first lines)",
            show_default=False,
        ),
    ] = "",
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="|".join(FORMATS),
            help="Output format: JSON lines with entities and scores, CoNLL columns, or text with names in brackets.",
        ),
    ] = "jsonl",
) -> None:
    """Tag posts one after the other; the memory does not depend on their number.

    Reads JSON lines, CoNLL columns or plain text (one post per line), detected from the file's extension or first
    lines, or set by `--input`. A malformed line ends the command; the posts before it are written. Pictures come from a
    store (`--features`) or from picture files (`--pictures`).
    """
    from mner_keras.errors import InputError, did_you_mean

    for given_format in (format_, *([input_] if input_ else [])):
        if given_format not in FORMATS:
            hint = did_you_mean(given_format, FORMATS)
            raise InputError(f"expected a format ({', '.join(FORMATS)}), found {given_format!r}.{hint}")
    if features and pictures:
        raise InputError("`--features` and `--pictures` exclude each other")
    stream, name = _open(file)
    if sys.stdout is None:
        raise InputError("standard output is closed")
    from mner_keras.cli.keras_start import start_keras

    start_keras(all_cores=pictures is not None)
    from mner_keras.data.batches import count_missing
    from mner_keras.data.input_formats import read_posts_to_tag
    from mner_keras.models import load_tagger, visual_input
    from mner_keras.vision.feature_store import FeatureStore

    tagger = load_tagger(model)
    store: Any = FeatureStore(features) if features else None
    if store is not None and visual_input(tagger) is None:
        print("the model does not read pictures: `--features` is ignored", file=sys.stderr)
        store = None
    given: dict[str, Any] = {}
    if pictures is not None:
        store, given = _pictures(pictures, tagger, weights)
    named = missing = 0
    # Lines end with one line feed on every system; half of a surrogate pair becomes a JSON escape.
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    for posts in _chunks(read_posts_to_tag(stream, name, input_)):
        named += sum(post.image_id is not None for post in posts)
        missing += count_missing(posts, store)
        pictured = {key: value(posts) for key, value in given.items()}
        for tagged in tagger.tag(posts) if store is None and not given else tagger.tag(posts, store, **pictured):
            sys.stdout.write(WRITERS[format_](tagged))
        sys.stdout.flush()
    if missing:
        where = "store" if pictures is None else "folder"
        if missing == named:
            print(f"warning: the {where} contains none of the pictures of {named:,} posts", file=sys.stderr)
        else:
            print(
                f"{missing:,} posts name a picture missing from the {where}: treated as none",
                file=sys.stderr,
            )
    failed = list(store.failed.values()) if pictures is not None and store is not None else []
    for reason in failed[:SHOWN]:
        print(f"{reason}: ignored", file=sys.stderr)
    if len(failed) > SHOWN:
        print(f"{len(failed) - SHOWN:,} more pictures could not be read", file=sys.stderr)


def _pictures(
    pictures: Path, tagger: Tagger | System, weights: Path | None
) -> tuple[PictureFeatures | None, dict[str, Callable[[list[Post]], Any]]]:
    """Return the features of a folder's pictures, or for one picture the arguments of `Tagger.tag` for some posts."""
    from mner_keras.cli.progress import progress_bar
    from mner_keras.models import visual_input
    from mner_keras.vision import PictureFeatures, find_pictures, load_extractor, open_picture

    def extractor_of() -> Extractor:
        with progress_bar("bytes") as progress:
            return load_extractor(visual_input(tagger), weights, progress)

    if pictures.is_dir():
        found, _ = find_pictures([pictures])
        return PictureFeatures(found, extractor_of()), {}
    picture, extractor = open_picture(pictures), extractor_of()
    return None, {"pictures": lambda posts: [picture] * len(posts), "extractor": lambda posts: extractor}


def _open(file: str) -> tuple[IO[bytes], str]:
    from mner_keras.errors import InputError

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
    import queue
    import threading

    arrived: queue.Queue[Any] = queue.Queue(maxsize=2 * CHUNK)
    end = object()

    def read() -> None:
        try:
            for post in posts:
                arrived.put(post)
            arrived.put(end)
        except Exception as error:  # noqa: BLE001 (raised again in the main thread)
            arrived.put(error)

    threading.Thread(target=read, daemon=True).start()
    while True:
        chunk, last = [arrived.get()], None
        while len(chunk) < CHUNK and not arrived.empty():
            chunk.append(arrived.get())
        if chunk[-1] is end or isinstance(chunk[-1], Exception):
            last = chunk.pop()
        if chunk:
            yield chunk
        if isinstance(last, Exception):
            raise last
        if last is end:
            return


def _jsonl(tagged: TaggedPost) -> str:
    import dataclasses

    from mner_keras.data.files import post_record

    record = post_record(dataclasses.replace(tagged.post, tags=tagged.tags))
    record["entities"] = [
        {key: value for key, value in dataclasses.asdict(entity).items() if value is not None}
        for entity in tagged.entities
    ]
    return json.dumps(record, ensure_ascii=False) + "\n"


def _conll(tagged: TaggedPost) -> str:
    import dataclasses

    from mner_keras.data.files import conll_block

    return conll_block(dataclasses.replace(tagged.post, tags=tagged.tags))


def _text(tagged: TaggedPost) -> str:
    """Return the post's tokens with its names in brackets: `Beautiful [OTHER Benz] in [LOC Los Angeles]`."""
    pieces = list(tagged.post.tokens)
    for entity in tagged.entities:
        pieces[entity.start] = f"[{entity.type} {pieces[entity.start]}"
        pieces[entity.end - 1] += "]"
    return " ".join(pieces) + "\n"


WRITERS = {"jsonl": _jsonl, "conll": _conll, "text": _text}
