"""`PostCase`: a post with everything that a view shows of it, and the few rules that all views share."""

import dataclasses
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mner_keras.data.batches import open_store
from mner_keras.data.datasets import Dataset
from mner_keras.data.post import Entity, Post, entity_spans
from mner_keras.models import visual_input
from mner_keras.tagged_post import System
from mner_keras.vision.pictures import PictureError, PictureObjects, find_pictures, open_picture

MOST_TOKENS = 160  # of a post that a view shows; it reports how many follow


class Column(NamedTuple):
    """A number for each token, `[n]`, under a heading."""

    name: str
    values: np.ndarray
    shares: np.ndarray  # how strongly to colour them, 0 to 1


@dataclasses.dataclass(frozen=True)
class PostCase:
    """A post, the tags that systems give it, and what a model attended to.

    Args:
        post: the post, with gold tags if it has them.
        predicted: one tag per token, by the system's name.
        explanation: what `Tagger.explain` returns for the post.
        picture: the post's picture; `None` if there is none, or if the model saw a blank one instead.
        why_none: why there is none, or that the model does not see it.
        objects: the objects in the picture.
        entities: the entities of the first system, with their scores.
    """

    post: Post
    predicted: Mapping[str, tuple[str, ...]]
    explanation: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    picture: Image.Image | None = None
    why_none: str = ""
    objects: PictureObjects = PictureObjects()
    entities: tuple[Entity, ...] = ()

    @property
    def attention(self) -> np.ndarray | None:
        """Attention of tokens to objects, `[n, k]`, the mean over glimpses; `None` for a model without it."""
        scores = self.explanation.get("attention")
        return scores if scores is None or scores.ndim == 2 else scores.mean(axis=0).T

    @property
    def regions(self) -> np.ndarray | None:
        """HSN's attention to regions, `[rows, columns]`, one row if they form no square; `None` if it saw none."""
        weights = None if self.picture is not None and self.why_none else self.explanation.get("region_attention")
        if weights is None:
            return None
        side = math.isqrt(len(weights))
        return weights.reshape((side, side) if side * side == len(weights) else (1, -1))

    @property
    def gamma(self) -> np.ndarray | None:
        """HSN's gate, `[n]`, the mean over features: 1 for the text alone, 0 for its fusion with the picture."""
        return self.explanation["gamma"].mean(axis=-1) if "gamma" in self.explanation else None

    @property
    def columns(self) -> list[Column]:
        """HSN's attention (coloured from the post's smallest value) and gamma, or attention to each object (from 0)."""
        if (found := self.explanation.get("token_attention")) is not None:
            gamma = [] if self.gamma is None else [Column("gamma", self.gamma, self.gamma)]
            return [Column("attention", found, shares(found)), *gamma]
        if (found := self.attention) is not None:
            names, strengths = self.object_names, shares(found, low=0.0)
            return [Column(*one) for one in zip(names, found.T, strengths.T, strict=True)]
        return []

    @property
    def object_names(self) -> list[str]:
        """The name of each object that the model saw, with the extractor's score."""
        count = len(self.objects.names) if self.attention is None else self.attention.shape[1]
        scores = () if self.objects.scores is None else [f" {score:.2f}" for score in self.objects.scores]
        return [self.objects.name(k) + (scores[k] if k < len(scores) else "") for k in range(count)]

    @property
    def boxes(self) -> list[tuple[float, float, float, float]]:
        """Left, top, width and height of each object in the picture."""
        if self.picture is None or self.objects.boxes is None:
            return []
        corners = self.objects.boxes[: len(self.object_names)].tolist()
        return [(left, top, right - left, bottom - top) for top, left, bottom, right in corners]

    def spans(self, system: str | None = None) -> set[tuple[str, int, int]]:
        """The entities of a system, or the gold ones, as (type, start, end)."""
        tags = self.post.tags if system is None else self.predicted[system]
        return set(entity_spans(tags or ()))


def make_cases(
    model: System,
    posts: Sequence[Post],
    features: Any = None,
    pictures: Mapping[str, Any] | None = None,
    predicted: Mapping[str, Sequence[tuple[str, ...]]] | None = None,
) -> list[PostCase]:
    """Tag posts and explain the tags.

    Args:
        features: the store of their pictures' features, or its path.
        pictures: paths or PIL images by image id.
        predicted: the tags of each post by system, if they are known; otherwise the model tags the posts.

    Returns:
        one case per post. A model without attention has an empty explanation.

    Example:

    >>> cases = make_cases(load("hsn.keras"), data["test"][:2], data.features("regions"))
    >>> hsn_attention_figure(cases)
    """
    features = open_store(features)
    explained, entities = [{}] * len(posts), [()] * len(posts)
    if any(name in model.output for name in getattr(model, "explained", ())):
        explained = model.explain(posts, features)
    if predicted is None:
        tagged = model.tag(posts, features)
        predicted, entities = {model.name: [one.tags for one in tagged]}, [one.entities for one in tagged]
    cases = []
    for row, post in enumerate(posts):
        tags = {name: tuple(of_posts[row]) for name, of_posts in predicted.items()}
        seen = _what_is_seen(model, post, features, pictures or {})
        cases.append(PostCase(post, tags, explained[row], *seen, entities=tuple(entities[row])))
    return cases


def _what_is_seen(
    model: System, post: Post, features: Any, pictures: Mapping[str, Any]
) -> tuple[Image.Image | None, str, PictureObjects]:
    """The picture that the model saw, or why there is none, and the objects in it."""
    visual, image, objects, note = visual_input(model), post.image_id, PictureObjects(), ""
    if visual is None:
        if image not in pictures:
            return None, "", objects
        note = "The model does not see the picture."
    else:
        blank = " The model sees a blank picture." if visual.kind == "regions" else ""
        if image is None:
            return None, f"This post has no picture.{blank}", objects
        if features is None or image not in features:
            return None, f"The model was given no features of picture {image}.{blank}", objects
        if visual.kind == "objects":
            objects = features.objects(image, visual.count)
        if image not in pictures:
            return None, f"Picture {image} is not available.", objects
    try:
        return open_picture(pictures[image]), note, objects
    except PictureError as error:
        return None, f"Picture {image} cannot be read: {error.reason}.", objects


def own_pictures(dataset: Dataset) -> Mapping[str, Path]:
    """The pictures of a data set, by id; empty if it has no folder of them."""
    folder = dataset.pictures()
    return {} if folder is None else find_pictures([folder])[0]


def shares(values: np.ndarray, low: float | None = None) -> np.ndarray:
    """How strongly to colour numbers: 0 for the smallest (or for `low`), 1 for the largest of the post."""
    low = float(values.min(initial=np.inf)) if low is None else low
    span = float(values.max(initial=-np.inf)) - low
    return np.clip((values - low) / span, 0, 1) if np.isfinite(span) and span > 0 else np.zeros(values.shape)


def is_right_to_left(tokens: Iterable[str]) -> bool:
    """Whether a post runs from right to left: most letters of its words do."""
    words = "".join(token for token in tokens if not token.startswith(("@", "#", "http", "RT")))
    directions = [unicodedata.bidirectional(letter) for letter in words]
    return directions.count("R") + directions.count("AL") > directions.count("L")
