"""`mner figure`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def figure(
    paper: Annotated[str, typer.Argument(metavar="PAPER", help="hsn or agban.", show_default=False)],
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="5 or 6; agban also 7, 8, 9.", show_default=False)],
    run: Annotated[Path, typer.Option(help="The run to show: its folder, or a .keras file.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The file to write: .png, .svg or .pdf.", show_default=False)],
    other: Annotated[
        list[Path] | None,
        typer.Option(help="A run to compare with (agban 5, 8, 9); repeat it.", show_default=False),
    ] = None,
    posts: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Posts by their id, their picture's id, or as test:1; repeat it. (default: those that show best what "
            "the figure is about)",
            show_default=False,
        ),
    ] = None,
    more: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Further posts after --posts.", show_default=False)
    ] = None,
    split: Annotated[str, typer.Option(help="train, dev or test.")] = "test",
    pictures: Annotated[
        Path | None,
        typer.Option(help="Folder of the posts' pictures. (default: the data's `images`)", show_default=False),
    ] = None,
    data: Annotated[str, typer.Option(help="`sample` or a folder. (default: the run's)", show_default=False)] = "",
    features: Annotated[
        str, typer.Option(help="Store of the pictures' features. (default: the run's)", show_default=False)
    ] = "",
    count: Annotated[int, typer.Option(min=0, help="Posts to choose; 0: as many as the paper shows.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn at random (agban 5).")] = 1,
) -> None:
    """Draw a figure of the papers from finished runs.

    hsn 5 and 6: attention over the picture and over the tokens, gamma, gold and predicted entities; 5 chooses posts
    whose names trust the picture, 6 posts whose names trust the text. agban 5: t-SNE of words and objects, --run with
    and --other without adversarial training. agban 6: attention of tokens to objects. agban 7: both losses by epoch.
    agban 8 and 9: posts that --run gets right and --other does not, and posts that --run gets wrong.

    A post without a picture, or whose picture is not at hand, is drawn without it.
    """
    from mner_keras.cli.keras_start import start_keras
    from mner_keras.data.datasets import SPLITS
    from mner_keras.errors import InputError, did_you_mean

    if split not in SPLITS:
        raise InputError(f"expected a split ({', '.join(SPLITS)}), found {split!r}.{did_you_mean(split, SPLITS)}")
    names = [*(posts or []), *(more or [])]
    if more and not posts:
        raise InputError(f"expected PAPER and NUMBER, found {len(more)} more: --posts names posts")
    from mner_keras.reproduce.figures.draw import FigureRequest, check_figure, draw_figure
    from mner_keras.reproduce.figures.writing import check_target, write_figure
    from mner_keras.run.run import Run

    check_figure(paper, number)
    check_target(out)
    shown, *others = (Run(path, data, features if path == run else "") for path in (run, *(other or [])))
    request = FigureRequest(shown, others, names, split, _pictures(pictures, shown), count, seed)
    start_keras()
    for note in write_figure(draw_figure(paper, number, request), out):
        print(note, file=sys.stderr)
    print(out)


def _pictures(folder: Path | None, run) -> dict[str, Path]:
    """The pictures by their id; none where the data has no folder of them."""
    from mner_keras.vision.pictures import find_pictures

    folder = folder or run.dataset.pictures()
    return {} if folder is None else find_pictures([folder])[0]
