"""The loss of each post: what a model's CRF thinks of the gold tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mner_keras.data.post import Post
from mner_keras.errors import InputError

if TYPE_CHECKING:
    from mner_keras.tagger import Tagger


def post_losses(model: Tagger, posts: Sequence[Post], features: Any = None, batch_size: int = 64) -> np.ndarray:
    """The negative log-likelihood of each post's gold tags under a model's CRF, in nats.

    Args:
        model: a `Tagger`.
        posts: posts with tags.
        features: the store of their pictures' features.
        batch_size: posts computed at once.

    Returns:
        float32 `[N]`, in the posts' order.

    Raises:
        InputError: a tag that the model does not know, a post without tags, features of another width.
    """
    if any(post.tags is None for post in posts):
        raise InputError("expected posts with tags, found posts without")
    return -model.log_likelihood(posts, features, batch_size)
