"""`mner tag`."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import itertools
import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from mner_keras.cli.jobs import run_jobs
from mner_keras.cli.keras_start import start_keras
from mner_keras.cli.options import (
    Engine,
    EngineName,
    ExtractorWeights,
    Format,
    Jobs,
    ModelArgument,
    OnError,
    Rank,
    RayAddress,
    ShardOption,
    check_target,
)
from mner_keras.cli.terminal import note, progress_bar
from mner_keras.errors import InputError, counted
from mner_keras.files import file_sha256, write_whole
from mner_keras.scale.resumable_file import ResumableFile
from mner_keras.scale.shards import Shard

if TYPE_CHECKING:
    from mner_keras.data.post import Post
    from mner_keras.tagged_post import TaggedPost

SHOWN = 10
"""The number of unreadable pictures to name."""

CHUNK = 4096
"""The number of posts tagged and written at once, which bounds the memory."""

OWN = "posts"
"""The value of `--pictures` for pictures that the posts name or contain themselves."""


def tag(
    model: ModelArgument,
    file: Annotated[str, typer.Argument(help="File of posts, or - for standard input.")] = "-",
    features: Annotated[str, typer.Option(help="Store of the posts' pictures. (default: no pictures)")] = "",
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the posts' pictures, found by the posts' `image`; one picture for all posts; or `posts`: "
            "each post's own `picture`, a path or, in Parquet, bytes. The model's extractor computes their features."
        ),
    ] = None,
    weights: ExtractorWeights = None,
    input_: Annotated[
        Format | None,
        typer.Option("--input", help="Input format. (default: detected from the file's extension or first lines)"),
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="Output format: JSON lines with entities and scores, CoNLL columns, text with names in brackets, "
            "Parquet, or Label Studio's tasks. (default: by the extension of OUT, otherwise JSON lines)",
        ),
    ] = None,
    scores: Annotated[bool, typer.Option("--scores/--no-scores", help="Whether entities have scores.")] = True,
    min_score: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out entities of a lower score: their tokens are O.")
    ] = 0.0,
    rank: Annotated[
        Rank | None,
        typer.Option(
            help="Order of the output: `uncertain` starts with the posts whose least certain tag is least probable, as "
            "the next ones to label. All posts are kept in memory. (default: the order of the input)"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write; with --shard, --jobs or Ray, a folder of parts. After an interruption, the same "
            "command continues. (default: standard output)"
        ),
    ] = None,
    shard: ShardOption = None,
    jobs: Jobs = 1,
    engine: EngineName = Engine.local,
    address: RayAddress = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT, finished or begun.")] = False,
    on_error: Annotated[
        OnError | None,
        typer.Option(help="What a malformed post does. (default: skip in a file, stop on standard input)"),
    ] = None,
    max_errors: Annotated[
        float, typer.Option(min=0, max=1, help="Share of malformed posts above which the exit code is 1.")
    ] = 1.0,
) -> None:
    """Tag posts one after the other; without `--rank`, the memory does not depend on their number.

    Reads JSON lines, CoNLL columns, Parquet, Label Studio's tasks or plain text (one post per line), detected from the
    file's extension or first lines, or set by `--input`. Pictures come from a store (`--features`) or from picture
    files (`--pictures`). With `--shard`, every N-th post is tagged, from the I-th on; each command reads the whole
    FILE. With `--jobs`, or in a Ray cluster, all shards are tagged side by side.

    Malformed posts are skipped, and listed with line and reason in OUT.errors.csv or on the error stream; or the first
    one ends the command, and the posts before it are written.
    """
    if features and pictures:
        raise InputError("`--features` and `--pictures` exclude each other")
    if not scores and (rank or min_score):
        raise InputError("`--no-scores` must be left out with `--min-score` and `--rank`")
    from mner_keras.data.files import ENDINGS

    share = Shard.parse(shard)
    stream, name = _open(file)
    format_ = format_ or Format((out and ENDINGS.get(out.suffix.lower())) or "jsonl")
    ending = ".json" if format_ == "label-studio" else f".{format_}"
    ending = ending if out is None or out.suffix.lower() not in ENDINGS else out.suffix
    if run_jobs(None if file == "-" else out, ending, shard, jobs, engine, address):
        return
    output: ResumableFile | _StandardOutput
    if out is None:
        output = _StandardOutput(format_)
    else:
        options = {"--features": features, "--pictures": pictures, "--weights": weights, "--input": input_}
        options |= {"--format": format_, "--scores": scores, "--min-score": min_score, "--rank": rank}
        if share is not None:
            out = share.part(out, ending)
        output = _open_output(out, file, model, options, overwrite)
    with contextlib.closing(output):
        if output.finished:
            note(f"{out}: finished earlier, left as it is; --overwrite tags again")
        else:
            tagging = _Tagging(model, features, pictures, weights, scores)
            on_error = on_error or OnError("stop" if file == "-" else "skip")
            write = WRITERS.get(format_) or functools.partial(_label_studio, version=str(model))
            if min_score:
                all_entities = write

                def write(tagged: TaggedPost) -> str:
                    return all_entities(tagged.above(min_score))

            _tag_all(tagging, stream, name, input_, share, output, write, on_error, rank)
            tagging.report()
    if out is not None:
        listed = f" ({output.errors_path})" if output.failed else ""
        print(f"{out}: {output.done - output.failed:,} posts tagged, {output.failed:,} skipped{listed}")
    elif output.failed > SHOWN:
        note(f"{output.failed - SHOWN:,} more posts skipped")
    failed_share = output.failed / max(1, output.done)
    if failed_share > max_errors:
        share = f"{100 * failed_share:.3g} % of the posts were malformed"
        note(f"{share}, more than --max-errors {100 * max_errors:g} % allows")
        sys.exit(1)


def _tag_all(
    tagging: _Tagging,
    stream: IO[bytes],
    name: str,
    input_: str | None,
    share: Shard | None,
    output: ResumableFile | _StandardOutput,
    write: Callable[[TaggedPost], str],
    on_error: str,
    rank: Rank | None,
) -> None:
    """Tag the posts that the output lacks, and finish it."""
    from mner_keras.data.files import stop_at_error
    from mner_keras.data.input_formats import read_posts_to_tag

    posts = read_posts_to_tag(stream, name, input_ or "")
    posts = itertools.islice(posts if share is None else share.take(posts), output.done, None)
    if on_error == "stop":
        posts = stop_at_error(posts)
    # A file is tagged in equal steps, however often it is interrupted.
    is_file = isinstance(output, ResumableFile) and os.path.isfile(name)
    first, to_rank = None, []
    with progress_bar("bytes of posts") as progress:
        for chunk in _chunks(posts, tagging.chunk, wait=is_file):
            errors = [post for post in chunk if isinstance(post, InputError)]
            good = [post for post in chunk if not isinstance(post, InputError)]
            tagged = tagging(good) if good else []
            if rank:
                to_rank += tagged
                tagged = []
            output.write("".join(map(write, tagged)), errors, len(chunk))
            first = first or next(iter(errors), None)
            if is_file:
                progress(stream.tell(), os.path.getsize(name))
    if first is not None and output.failed == output.done:
        more = f"; none of the {output.done:,} posts can be read" if output.done > 1 else ""
        raise InputError(first.reason + more, first.path, first.line)
    if to_rank:
        to_rank.sort(key=lambda one: one.certainty)
        output.write("".join(map(write, to_rank)), [], 0)
    output.finish()


class _StandardOutput:
    """Writes like a `ResumableFile`, on standard output."""

    done = failed = 0
    finished = False
    errors_path = None

    def __init__(self, format_: str) -> None:
        if format_ == "parquet":
            raise InputError("Parquet is not written to standard output: name a file with --out")
        if sys.stdout is None:
            raise InputError("standard output is closed")
        # Lines end with one line feed on every system; half of a surrogate pair becomes a JSON escape.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
        self._array = format_ == "label-studio"
        self._comma = "["

    def write(self, text: str, errors: Sequence[InputError], inputs: int) -> None:
        if self._array and text:
            text = f"{self._comma}\n" + text.rstrip("\n").replace("\n", ",\n")
            self._comma = ","
        sys.stdout.write(text)
        sys.stdout.flush()
        for error in errors[: max(0, SHOWN - self.failed)]:
            note(f"{error}: skipped")
        self.done += inputs
        self.failed += len(errors)

    def finish(self) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Close an array, after an error, too."""
        if self._array:
            sys.stdout.write("\n]\n" if self._comma == "," else "[]\n")


def _open_output(out: Path, file: str, model: Path, options: dict[str, Any], overwrite: bool) -> ResumableFile:
    """Open the file to write; a named file of posts makes it one that can be continued."""
    from mner_keras.data.files import import_pyarrow, write_array, write_parquet
    from mner_keras.models import find_model_file

    check_target(out, out.suffix.lower())
    about = convert = None
    if os.path.isfile(file):
        if out.exists() and os.path.samefile(file, out):
            raise InputError("expected another file to write, found the file of posts", out)
        model_file = Path(find_model_file(model))
        if not model_file.is_file():
            raise InputError("expected a model, found no such file", model_file)
    if os.path.isfile(file) and not options["--rank"]:  # ranked posts are written at the end
        about = {"model": file_sha256(model_file), "input": file_sha256(file)}
        about |= {name: os.path.abspath(value) if isinstance(value, Path) else value for name, value in options.items()}
    if options["--format"] == "parquet":
        import_pyarrow()

        def convert(lines: Path, target: Path) -> None:
            with open(lines, "rb") as stream:
                write_whole(target, lambda path: write_parquet(path, map(json.loads, stream)))

    elif options["--format"] == "label-studio":

        def convert(lines: Path, target: Path) -> None:
            with open(lines, encoding="utf-8", newline="\n") as stream:
                write_whole(target, lambda path: write_array(path, stream))

    return ResumableFile(out, about, overwrite, convert)


class _Tagging:
    """Tags posts with the pictures that the options name, and counts those that are missing.

    Args:
        model: a model's file or a run's folder.
        features: the path of a store; or empty.
        pictures: a folder, one picture, or `posts`; or `None`.
        weights: the extractor's weights.
        scores: whether entities have scores.

    Attributes:
        chunk: the number of posts to tag at once.
    """

    def __init__(self, model: Path, features: str, pictures: Path | None, weights: Path | None, scores: bool) -> None:
        from mner_keras.models import load_tagger, reads_store, reads_subwords, visual_input

        start_keras(all_cores=pictures is not None or reads_subwords(model))
        from mner_keras.vision import PictureFeatures, find_pictures, load_extractor, open_picture
        from mner_keras.vision.feature_store import FeatureStore

        self.tagger = load_tagger(model)
        self.store = FeatureStore(features) if features else None
        if self.store is not None and not reads_store(self.tagger):
            note("the model does not read pictures: `--features` is ignored")
            self.store = None
        self.own = str(pictures) == OWN and not pictures.exists()
        self.picture = self.extractor = None
        if pictures is not None:
            of_posts = pictures.is_dir()
            found = None if self.own else find_pictures([pictures])[0] if of_posts else open_picture(pictures)
            with progress_bar("bytes") as progress:
                self.extractor = load_extractor(visual_input(self.tagger), weights, progress)
            if of_posts:
                self.store = PictureFeatures(found, self.extractor)
            else:
                self.picture = found
        self.blind = not features and pictures is None and reads_store(self.tagger)
        self.options = {}
        if not scores:
            if "scores" not in inspect.signature(self.tagger.tag).parameters:
                kind = type(self.tagger).__name__
                raise InputError(f"`--no-scores` must be left out: a {kind} always gives scores", model)
            self.options["scores"] = False
        self.named = self.missing = 0
        self.failed: list[str] = []
        self.chunk = CHUNK // 16 if self.own else CHUNK  # whole pictures are in memory
        self.where = "store" if pictures is None else "folder"

    def __call__(self, posts: list[Post]) -> list[TaggedPost]:
        from mner_keras.data.batches import count_missing
        from mner_keras.tagged_post import with_pictures

        if self.own:
            pictures = [post.extra.get("picture") for post in posts]
            named, store = with_pictures(posts, pictures, self.extractor)
            tagged = self.tagger.tag(named, features=store, **self.options)
            self.failed += store.failed.values()
            return [dataclasses.replace(one, post=post) for one, post in zip(tagged, posts, strict=True)]
        self.named += sum(post.image_id is not None for post in posts)
        self.missing += count_missing(posts, self.store)
        if self.picture is not None:
            pictures = [self.picture] * len(posts)
            return self.tagger.tag(posts, pictures=pictures, extractor=self.extractor, **self.options)
        return self.tagger.tag(posts, **({} if self.store is None else {"features": self.store}), **self.options)

    def report(self) -> None:
        """Say which pictures were missing or could not be read."""
        named, missing = (
            f"{counted(number, 'post')} name{'s' * (number == 1)}" for number in (self.named, self.missing)
        )
        if self.named and self.blind:
            note(f"warning: {named} a picture, and the model sees none without --features or --pictures")
        elif self.missing and self.missing == self.named:
            note(f"warning: {named} a picture, and the {self.where} contains none of them")
        elif self.missing:
            note(f"{missing} a picture missing from the {self.where}: treated as none")
        failed = self.failed or list(getattr(self.store, "failed", {}).values())
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


def _chunks(posts: Iterator[Post | InputError], most: int, wait: bool) -> Iterator[list[Post | InputError]]:
    """Yield posts, `most` at a time, while a thread reads on.

    Unless `wait` is set, those that have arrived are enough: a slow stream is tagged at once.
    """
    arrived: queue.Queue[Any] = queue.Queue(maxsize=2 * most)

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
        while len(chunk) < most and not isinstance(chunk[-1], tuple) and (wait or not arrived.empty()):
            chunk.append(arrived.get())
        if isinstance(chunk[-1], tuple):
            end = chunk.pop()
        if chunk:
            yield chunk
    if end[0] is not None:
        raise end[0]


def _jsonl(tagged: TaggedPost) -> str:
    from mner_keras.data.files import json_line, post_record

    record = post_record(dataclasses.replace(tagged.post, tags=tagged.tags))
    record["entities"] = [
        {key: value for key, value in dataclasses.asdict(entity).items() if value is not None}
        for entity in tagged.entities
    ]
    return json_line(record)


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


def _label_studio(tagged: TaggedPost, version: str) -> str:
    from mner_keras.data.files import json_line, post_record
    from mner_keras.data.label_studio import task_of_record

    record = post_record(dataclasses.replace(tagged.post, tags=None))
    return json_line(task_of_record(record, tagged.entities, version, tagged.certainty))


WRITERS = {"jsonl": _jsonl, "conll": _conll, "text": _text, "parquet": _jsonl}
