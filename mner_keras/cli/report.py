"""`mner report`."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from mner_keras.cli.options import PostPictures, check_target
from mner_keras.cli.terminal import progress_bar, start_keras
from mner_keras.files import write_whole


def report(
    places: Annotated[
        list[Path],
        Argument(metavar="RUN_OR_TABLE", help="Folders of finished runs, and of tables of `mner reproduce-table`."),
    ],
    out: Annotated[Path, Option(help="The page to write.")] = Path("report.html"),
    posts: Annotated[
        int,
        Option(min=0, help="Posts with the highest loss to show per run, misses and hits each; 0: no model is loaded."),
    ] = 10,
    pictures: PostPictures = None,
) -> None:
    """Write a report on tables and runs: one self-contained HTML page that makes no requests.

    For each table: published and measured numbers, differences from the paper's setting, and its runs. For each run:
    training curves, scores by type, confusion of types, the posts with the highest loss under the model's CRF, the
    model's attention in them, and provenance.

    The page contains the posts shown and small copies of their pictures.
    """
    from mner_keras.vision.pictures import find_pictures

    check_target(out, ".html", ".htm")
    found = None if pictures is None else find_pictures([pictures])[0]
    start_keras()
    from mner_keras.views.report import make_report

    with progress_bar("reading runs") as progress:
        text = make_report(places, posts, found, progress)
    write_whole(out, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))
    print(out)
