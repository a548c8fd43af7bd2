"""`mner data`."""

import re
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option, Typer

from mner_keras.cli.options import AsJson, check_target
from mner_keras.cli.terminal import note, print_json, print_table, progress_bar, start_keras
from mner_keras.errors import InputError

app = Typer(help="Fetch, convert, split, create and check data sets.", no_args_is_help=True)

LABELS = {"without_picture": "posts without a picture", "without_entity": "posts without an entity"}
NO_ENTITY = {"train": ": no model can be trained", "dev": ": no best epoch can be chosen"}


@app.command()
def check(
    folder: Annotated[str, Argument(metavar="DIR", help="`sample`, or a folder with train, dev, test.")],
    as_json: AsJson = False,
) -> None:
    """Count posts, pictures and entities (strict IOB2), and report irregularities."""
    from mner_keras.data.datasets import check_dataset, load_dataset

    report = check_dataset(load_dataset(folder))
    if as_json:
        print_json(report)
        return
    columns = {**report["splits"], "total": report["total"]}
    names = ("posts", "tokens", "pictures", "without_picture", "without_entity", "entities")
    lines = {LABELS.get(name, name): [column[name] for column in columns.values()] for name in names}
    for kind in report["total"]["types"]:
        lines[f"  {kind}"] = [column["types"].get(kind, 0) for column in columns.values()]
    lines["orphan I- tags"] = [column["orphans"] for column in columns.values()]
    rows = [[name, *(f"{count:,}" for count in row)] for name, row in lines.items()]
    print_table(report["name"], ["", *columns], rows)
    print("Entities are counted as strict IOB2: at B- only. An orphan I- follows no tag of its type.")
    for split, counts in report["splits"].items():
        if counts["untagged"]:
            print(f"{split}: {counts['untagged']:,} posts without tags, unusable for training and scoring")
        if not counts["entities"]:
            print(f"{split}: warning: no post has an entity" + NO_ENTITY.get(split, ""))
        unseen = [kind for kind in counts["types"] if kind not in report["splits"]["train"]["types"]]
        if unseen:
            print(f"{split}: no training post contains {', '.join(unseen)}")
    for pair, counts in report["shared"].items():
        print(f"{pair}: {counts['posts']:,} posts with the same words, {counts['pictures']:,} pictures in both")
    for name, value in report["sha256"].items():
        print(f"{value}  {name}")


@app.command()
def fetch(
    name: Annotated[str, Argument(help="What to fetch; without a name, they are listed.")] = "",
    to: Annotated[Path | None, Option(help="The folder to write.")] = None,
    mirror: Annotated[str, Option(help="Another address with the same files.")] = "",
) -> None:
    """Download posts, pictures, word vectors, features or weights, check them, and print what comes next.

    Broken downloads are resumed; complete files are not downloaded again. The hash of a file whose publisher gives none
    is recorded at the first download and compared afterwards. Archives stay in `~/.cache/mner-keras` (or
    `$MNER_CACHE`): delete them there when you need the space. Google Drive requires the extra `fetch`
    (pip install 'mner-keras[fetch]').
    """
    from mner_keras.data.fetch import SOURCES, fetch_source, find_source

    if not name:
        rows = [[source.name, source.about, source.size] for source in SOURCES.values()]
        print_table("mner data fetch NAME --to FOLDER", ["name", "", "download"], rows, left=2)
        return
    source = find_source(name)
    if source.call.startswith("mner_keras.vision"):
        start_keras()
    with progress_bar("bytes") as progress:
        fetched = fetch_source(name, to, mirror, progress=progress, report=note)
    for path, new in fetched.items():
        print(f"{path}: {'fetched' if new else 'already there'}")
    if source.call:
        print(f"{name}: available")
    if source.next:
        print("next:\n" + source.next.format(folder=to))


@app.command()
def convert(
    source: Annotated[Path, Argument(metavar="IN", help="File of posts.")],
    target: Annotated[Path, Argument(metavar="OUT", help="The file to write.")],
    scheme: Annotated[Literal["iob2", "iob1", "bioes"], Option(help="The scheme of IN's tags; OUT has IOB2.")] = "iob2",
) -> None:
    """Convert posts between CoNLL columns, JSON lines, Parquet and Label Studio's tasks.

    The endings select the formats: `.jsonl`, `.parquet`, `.json` (Label Studio), `.txt`, `.conll` or `.tsv` (CoNLL).
    What CoNLL columns cannot contain is named.
    """
    from mner_keras.data.datasets import convert_posts
    from mner_keras.data.files import ENDINGS

    check_target(target, ".txt", *ENDINGS)
    posts, lost = convert_posts(source, target, scheme)
    print(f"{target}: {len(posts):,} posts, {sum(post.tags is None for post in posts):,} without tags")
    for what, count in lost.items():
        note(f"warning: CoNLL columns cannot contain {what}: lost in {count:,} posts")


@app.command()
def split(
    file: Annotated[Path, Argument(help="File of posts, in a format of `mner data convert`.")],
    to: Annotated[Path, Option(help="The folder to write.")],
    sizes: Annotated[str, Option(help="Percent of the posts in train, dev and test.")] = "80,10,10",
    seed: Annotated[int, Option(help="Random seed.")] = 1,
) -> None:
    """Split one file into train, dev and test. Posts with the same picture or the same tokens stay in one split."""
    from mner_keras.data.datasets import split_posts

    if not re.fullmatch(r"\d+,\d+,\d+", sizes):
        raise InputError(f"`--sizes` must be three whole numbers, such as 80,10,10; found {sizes!r}")
    splits = split_posts(file, to, [int(size) for size in sizes.split(",")], seed)
    print(f"{to}: " + ", ".join(f"{name} {len(posts):,}" for name, posts in splits.items()))


@app.command()
def realworld(
    base: Annotated[str, Option(help="Twitter-2015: a folder with train, dev, test.")],
    text_only: Annotated[list[Path], Option(help="File of tagged plain-text posts, CoNLL or JSON lines; repeat it.")],
    to: Annotated[Path, Option(help="The folder to write.")],
    more: Annotated[list[Path] | None, Argument(help="Further such files.")] = None,
    sizes: Annotated[tuple[int, int, int], Option(help="Posts added to train, dev, test.")] = (3000, 1000, 2000),
    seed: Annotated[int, Option(help="Random seed of the order.")] = 1,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace an earlier set.")] = False,
) -> None:
    """Add plain-text posts to a data set with pictures, as in HSN's real-world set.

    HSN's own set is published on Baidu; https://github.com/T1aNS1R/Real-world-multimodal-NER-dataset has the link and
    its access code. Use it instead if you have it.

    The plain-text posts with at least one entity are pooled, shuffled by the seed, and added to train, dev and test.
    Then train on both kinds with `mner train hsn --data TO --features STORE`.
    """
    from mner_keras.data.realworld import make_realworld

    record = make_realworld(base, [*text_only, *(more or [])], to, sizes, seed, overwrite)
    counts = ", ".join(f"{split} {record['posts'][split]:,} (+ {n:,})" for split, n in record["added"].items())
    print(f"{to}: {counts}")
    print(f"{record['pool']:,} plain-text posts contain an entity, {record['without_entity']:,} contain none: left out")
    lacking, new = (", ".join(record[name]) for name in ("types_lacking", "types_new"))
    handles = f'{record["split_handles"]:,} plain-text posts split "@ name" in two tokens'
    for found, line in (
        (record["empty_lines"], f"{record['empty_lines']:,} lines without a token left out"),
        (lacking, f"difference: the plain-text posts have no {lacking} entities; such names are tagged O"),
        (new, f"difference: the base has no {new} entities"),
        (record["split_handles"], f'difference: {handles}, where Twitter-2015 keeps "@name"'),
    ):
        if found:
            print(line)
