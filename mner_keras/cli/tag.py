"""`mner tag`."""

import contextlib
import functools
import itertools
import os
import sys
from pathlib import Path
from typing import IO, Annotated, Literal

from typer import Argument, Option

from mner_keras.cli.options import Address, Engine, Jobs, ModelArgument, ShardOption, Weights, check_target
from mner_keras.cli.terminal import note, progress_bar, start_keras
from mner_keras.errors import InputError
from mner_keras.scale.shards import Shard, run_jobs

Format = Literal["jsonl", "conll", "text", "parquet", "label-studio"]


def tag(
    model: ModelArgument,
    file: Annotated[
        str, Argument(help="File of posts, here or in an object store (s3://, gs://), or - for standard input.")
    ] = "-",
    features: Annotated[str, Option(help="Store of the posts' pictures. (default: no pictures)")] = "",
    pictures: Annotated[
        Path | None,
        Option(
            help="Folder of the posts' pictures, found by the posts' `image`; one picture for all posts; or `posts`: "
            "each post's own `picture`, a path or, in Parquet, bytes. The model's extractor computes their features."
        ),
    ] = None,
    weights: Weights = None,
    input_: Annotated[
        Format | None,
        Option("--input", help="Input format. (default: detected from the file's extension or first lines)"),
    ] = None,
    format_: Annotated[
        Format | None,
        Option(
            "--format",
            help="Output format: JSON lines with entities and scores, CoNLL columns, text with names in brackets, "
            "Parquet, or Label Studio's tasks. (default: by the extension of OUT, otherwise JSON lines)",
        ),
    ] = None,
    scores: Annotated[bool, Option("--scores/--no-scores", help="Whether entities have scores.")] = True,
    min_score: Annotated[
        float, Option(min=0, max=1, help="Leave out entities of a lower score: their tokens are O.")
    ] = 0.0,
    rank: Annotated[
        Literal["uncertain"] | None,
        Option(
            help="Order of the output: `uncertain` starts with the posts whose least certain tag is least probable, as "
            "the next ones to label. All posts are kept in memory. (default: the order of the input)"
        ),
    ] = None,
    out: Annotated[
        str | None,
        Option(
            metavar="PATH",
            help="File to write, here or in an object store; with --shard, --jobs or Ray, a folder of parts. After an "
            "interruption, the same command continues. (default: standard output)",
        ),
    ] = None,
    shard: ShardOption = None,
    jobs: Jobs = 1,
    engine: Engine = "local",
    address: Address = "",
    overwrite: Annotated[bool, Option("--overwrite", help="Replace OUT, finished or begun.")] = False,
    on_error: Annotated[
        Literal["skip", "stop"] | None,
        Option(help="What a malformed post does. (default: skip in a file, stop on standard input)"),
    ] = None,
    max_errors: Annotated[
        float, Option(min=0, max=1, help="Share of malformed posts above which the exit code is 1.")
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
    from mner_keras.data.files import ENDINGS, stop_at_error
    from mner_keras.data.input_formats import read_posts_to_tag
    from mner_keras.models import load_tagger, reads_store, reads_subwords
    from mner_keras.scale.outputs import download, extended, is_remote, local_path, pull_output, push_output
    from mner_keras.scale.tag_file import StandardOutput, answer_text, open_output, tag_stream
    from mner_keras.scale.tag_posts import PostTagger

    share = Shard.parse(shard)
    if is_remote(file):
        address_of_posts, file = file, str(download(file))
        note(f"{address_of_posts}: copied to {file}")
    stream, name = _open(file)
    target = None if out is None else local_path(out) if is_remote(out) else Path(out)
    by_ending = None if target is None else ENDINGS.get(target.suffix.lower())
    format_ = format_ or by_ending or "jsonl"
    ending = target.suffix if by_ending else f".{format_}".replace("label-studio", "json")
    if run_jobs(None if file == "-" else target, ending, shard, jobs, engine, address, note):
        return
    if target is None:
        output = StandardOutput(format_, note)
    else:
        options = {"--features": features, "--pictures": pictures, "--weights": weights, "--input": input_}
        options |= {"--format": format_, "--scores": scores, "--min-score": min_score, "--rank": None}
        if share is not None:
            target = share.part(target, ending)
            out = extended(out, f"/{target.name}") if is_remote(out) else str(target)
        check_target(target)
        if is_remote(out):
            pull_output(target, out, overwrite)
        # Ranked posts are written at the end.
        output = open_output(target, file, model, format_, None if rank else options, overwrite)
    with contextlib.closing(output):
        if output.finished:
            note(f"{out}: finished earlier, left as it is; --overwrite tags again")
        else:
            start_keras(all_cores=pictures is not None or reads_subwords(model))
            system = load_tagger(model)
            if features and not reads_store(system):
                note("the model does not read pictures: `--features` is ignored")
            own = str(pictures) == "posts" and not pictures.exists()
            with progress_bar("bytes") as progress:
                tagger = PostTagger(system, features, own or pictures, weights, scores, progress)
            posts = read_posts_to_tag(stream, name, input_ or "")
            posts = itertools.islice(posts if share is None else share.take(posts), output.done, None)
            if on_error == "stop" or on_error is None and file == "-":
                posts = stop_at_error(posts)
            write = functools.partial(answer_text, format_=format_, version=str(model), min_score=min_score)
            with progress_bar("bytes of posts") as progress:
                is_file = target is not None and os.path.isfile(name)
                show = (lambda: progress(stream.tell(), os.path.getsize(name))) if is_file else None
                tag_stream(tagger, posts, output, write, rank is not None, show)
            for line in tagger.notes():
                note(line)
    if target is not None:
        if is_remote(out):
            push_output(target, out)
        listed = f" ({output.errors_path})" if output.failed else ""
        print(f"{out}: {output.done - output.failed:,} posts tagged, {output.failed:,} skipped{listed}")
    failed_share = output.failed / max(1, output.done)
    if failed_share > max_errors:
        share = f"{100 * failed_share:.3g} % of the posts were malformed"
        note(f"{share}, more than --max-errors {100 * max_errors:g} % allows")
        sys.exit(1)


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
