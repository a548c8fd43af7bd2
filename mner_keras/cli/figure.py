"""`mner figure`."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from mner_keras.cli.options import Paper, PostPictures, Split, check_target
from mner_keras.cli.terminal import note, start_keras
from mner_keras.errors import InputError


def figure(
    paper: Annotated[Paper, Argument(metavar="PAPER", help="hsn or agban.")],
    number: Annotated[int, Argument(metavar="NUMBER", help="5 or 6; agban also 7, 8, 9.")],
    run: Annotated[Path, Option(help="The run to show: its folder, or a .keras file.")],
    out: Annotated[Path, Option(help="The file to write: .png, .svg or .pdf.")],
    other: Annotated[list[Path] | None, Option(help="A run to compare with (agban 5, 8, 9); repeatable.")] = None,
    posts: Annotated[
        list[str] | None,
        Option(
            metavar="ID",
            help="Posts by their id, their picture's id, or as test:1; repeatable. (default: the posts that "
            "illustrate the figure best)",
        ),
    ] = None,
    more: Annotated[list[str] | None, Argument(metavar="ID", help="Further posts after --posts.")] = None,
    split: Annotated[Split, Option(help="The split of the posts.")] = "test",
    pictures: PostPictures = None,
    data: Annotated[str, Option(help="`sample` or a folder. (default: the run's)")] = "",
    features: Annotated[str, Option(help="Store of the pictures' features. (default: the run's)")] = "",
    count: Annotated[int, Option(min=0, help="Number of posts; 0: as many as in the paper.")] = 0,
    seed: Annotated[int, Option(min=0, help="Random seed of agban 5.")] = 1,
) -> None:
    """Draw a figure of the papers from finished runs.

    hsn 5 and 6: attention over the picture and the tokens, gamma, gold and predicted entities; 5 for the posts whose
    entities trust the picture most, 6 for those that trust the text most. agban 5: t-SNE of words and objects, --run
    with and --other without adversarial training. agban 6: attention of tokens to objects. agban 7: both losses by
    epoch. agban 8 and 9: posts that --run gets right, or wrong, and that --other tags differently.

    If a post has no picture or it is not available, the figure says so.
    """
    names = [*(posts or []), *(more or [])]
    if more and not posts:
        raise InputError(f"expected PAPER and NUMBER, found {len(more)} more: --posts names posts")
    from mner_keras.run.run import Run
    from mner_keras.views.case import own_pictures
    from mner_keras.views.figures import ENDINGS, write_figure
    from mner_keras.views.paper_figures import check_figure, draw_figure
    from mner_keras.vision.pictures import find_pictures

    check_figure(paper, number)
    check_target(out, *ENDINGS)
    shown, *others = (Run(path, data, features if path == run else "") for path in (run, *(other or [])))
    found = own_pictures(shown.dataset) if pictures is None else find_pictures([pictures])[0]
    start_keras()
    drawn = draw_figure(paper, number, shown, others, names, split, found, count, seed)
    for line in write_figure(drawn, out):
        note(line)
    print(out)
