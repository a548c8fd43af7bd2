"""The posts that a run's model finds hardest: those whose gold tags it thinks least likely."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mner_keras.errors import InputError
from mner_keras.reproduce.figures.cases import PostCase, find_objects, find_picture
from mner_keras.reproduce.figures.fonts import is_right_to_left
from mner_keras.reproduce.report.attention import Attention, make_attention
from mner_keras.reproduce.report.losses import post_losses
from mner_keras.reproduce.report.marks import Piece, cut_pieces
from mner_keras.reproduce.report.pictures import PictureShelf
from mner_keras.run.run import Run


@dataclasses.dataclass(frozen=True)
class HardPost:
    """A post with a high loss.

    Args:
        number: its place in the test split, from 1.
        image: the id of its picture.
        loss: the negative log-likelihood of its gold tags, in nats.
        tokens: how many it has.
        direction: `"rtl"` where it runs from right to left, else `"ltr"`.
        gold: its text with the gold entities.
        predicted: its text with the predicted ones.
        right: whether both are the same.
        attention: what the model attended to; `None` for a model without attention.
    """

    number: int
    image: str | None
    loss: float
    tokens: int
    direction: str
    gold: list[Piece]
    predicted: list[Piece]
    right: bool
    attention: Attention | None


def hardest_posts(
    run: Run, count: int, shelf: PictureShelf, pictures: Mapping[str, Path] | None
) -> tuple[list[HardPost], float]:
    """The posts of the test split with the highest loss, the highest first.

    Args:
        run: the run, with a Keras model.
        count: how many.
        shelf: takes the posts' pictures.
        pictures: paths by image id; `None` for the data's own.

    Returns:
        the posts, and the mean loss over the split.

    Raises:
        InputError: the run's data, features or model are not there, or are others than it was scored on.
    """
    posts = run.dataset["test"]
    if [(post.tokens, post.tags) for post in posts] != [(row.tokens, row.tags) for row in run.predictions]:
        raise InputError("expected the posts that the run was scored on, found others", run.dataset.path("test"))
    if run.store is None:
        # Attention to the blank picture must not lie over one that the model did not see.
        pictures = {}
    elif pictures is None:
        pictures = own_pictures(run)
    losses = post_losses(run.model, posts, run.store)
    chosen = np.argsort(-losses, kind="stable")[:count]
    named = [posts[number] for number in chosen]
    explained = run.model.explain(named, run.store) if _explains(run) else [{} for _ in named]
    found = []
    for number, post, explanation in zip(chosen, named, explained, strict=True):
        predicted = run.predictions[number].predicted
        picture, objects = find_picture(post, pictures), find_objects(post, run.store, run.model)
        case = PostCase(post, {run.name: predicted}, explanation, picture, objects)
        gold, ours = (cut_pieces(post.tokens, *pair) for pair in ((post.tags, predicted), (predicted, post.tags)))
        right = all(piece.agreed for piece in (*gold, *ours))
        found.append(
            HardPost(
                number=int(number) + 1,
                image=post.image_id,
                loss=float(losses[number]),
                tokens=len(post),
                direction="rtl" if is_right_to_left(post.tokens) else "ltr",
                gold=gold,
                predicted=ours,
                right=right,
                attention=make_attention(case, shelf),
            )
        )
    return found, float(losses.mean())


def own_pictures(run: Run) -> Mapping[str, Path]:
    """The pictures in the run's data, by their id; none where it has no folder of them."""
    from mner_keras.vision.pictures import find_pictures

    folder = run.dataset.pictures()
    return {} if folder is None else find_pictures([folder])[0]


def _explains(run: Run) -> bool:
    return any(name in run.model.output for name in run.model.explained)
