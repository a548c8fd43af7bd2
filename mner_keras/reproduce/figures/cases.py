"""`PostCase`: a post with all that a figure shows of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mner_keras.vision.feature_store import PictureObjects, open_store
from mner_keras.vision.pictures import PictureError, open_picture

if TYPE_CHECKING:
    from PIL import Image

    from mner_keras.data.post import Post
    from mner_keras.tagger import Tagger


@dataclasses.dataclass(frozen=True)
class PostCase:
    """A post, what systems say of it, and what it was seen with.

    Args:
        post: the post, with its gold tags if it has some.
        predicted: one tag a token, by the system's name.
        explanation: what `Tagger.explain` gives for it.
        picture: its picture; `None` where there is none at hand.
        objects: what is known of the objects in the picture.
    """

    post: Post
    predicted: Mapping[str, tuple[str, ...]]
    explanation: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    picture: Image.Image | None = None
    objects: PictureObjects = PictureObjects()

    @property
    def name(self) -> str:
        """What to call the post: its id, its picture's, or its first words."""
        return self.post.id or self.post.image_id or " ".join(self.post.tokens[:4])


def make_cases(
    model: Tagger, posts: Sequence[Post], features: Any = None, pictures: Mapping[str, Any] | None = None
) -> list[PostCase]:
    """Tag posts and say what the model attended to.

    Args:
        model: a model with attention.
        posts: the posts.
        features: the store of their pictures' features, or its path.
        pictures: paths or PIL images by image id.

    Raises:
        InputError: a model that attends to nothing.

    Example:

    >>> cases = make_cases(load("hsn.keras"), data["test"][:2], FeatureStore(data.features("regions")))
    >>> hsn_attention_figure(cases)
    """
    features = None if features is None else open_store(features)
    tagged, explained = model.tag(posts, features), model.explain(posts, features)
    return [
        PostCase(
            post,
            {model.name: found.tags},
            explanation,
            find_picture(post, pictures),
            find_objects(post, features, model),
        )
        for post, found, explanation in zip(posts, tagged, explained, strict=True)
    ]


def find_picture(post: Post, pictures: Mapping[str, Any] | None) -> Image.Image | None:
    """A post's picture; `None` where it has none, or one that is not there or cannot be read."""
    if post.image_id is None or not pictures or post.image_id not in pictures:
        return None
    try:
        return open_picture(pictures[post.image_id])
    except PictureError:
        return None


def find_objects(post: Post, features: Any, model: Tagger) -> PictureObjects:
    """What a store knows of the objects that the model sees in a post's picture."""
    visual = model.preprocessor.visual
    if features is None or visual is None or visual.kind != "objects":
        return PictureObjects()
    return features.objects(post.image_id, visual.count)
