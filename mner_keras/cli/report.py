"""`mner report`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def report(
    places: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN_OR_TABLE",
            help="Folders of finished runs, and of tables of `mner reproduce-table`.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    posts: Annotated[
        int,
        typer.Option(help="Posts with the highest loss that are shown of each run; 0: none, and no model is opened."),
    ] = 10,
    pictures: Annotated[
        Path | None,
        typer.Option(help="Folder of the posts' pictures. (default: the data's `images`)", show_default=False),
    ] = None,
) -> None:
    """Write a page that shows tables and runs: one HTML file, which asks for no other and for no network.

    Of each table: what is published and what is measured, what differs from the paper's setting, and its runs. Of each
    run: training curves, scores by type, which types are taken for which, the posts with the highest loss under the
    model's CRF, what the model attended to in them, and where the numbers come from.

    The page holds the posts that it shows, and small copies of their pictures.
    """
    from mner_keras.errors import InputError

    if posts < 0:
        raise InputError(f"`posts` must be at least 0, found {posts}")
    _check_target(out)
    from mner_keras.cli.keras_start import start_keras
    from mner_keras.cli.progress import progress_bar
    from mner_keras.files import write_whole
    from mner_keras.reproduce.report import make_report, render_page
    from mner_keras.vision.pictures import find_pictures

    found = None if pictures is None else find_pictures([pictures])[0]
    start_keras()
    with progress_bar("reading runs") as progress:
        text = render_page(make_report(places, posts, found, progress))
    write_whole(out, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))
    print(out)


def _check_target(path: Path) -> None:
    from mner_keras.errors import InputError

    if path.is_dir():
        raise InputError("expected a file to write, found a folder", path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"expected a file's ending (.html), found {path.suffix or 'none'!r}", path)
    if not path.parent.is_dir():
        raise InputError("expected a folder to write into, found none", path.parent)
    if not os.access(path.parent, os.W_OK):
        raise InputError("the folder cannot be written to", path.parent)
