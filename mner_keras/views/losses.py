"""The loss of each post under a model's CRF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mner_keras.data.batches import PostBatches
from mner_keras.data.cutting import cut, filled
from mner_keras.data.post import Post
from mner_keras.errors import InputError

if TYPE_CHECKING:
    from mner_keras.tagger import Tagger


def post_losses(model: Tagger, posts: Sequence[Post], features: Any = None, batch_size: int = 64) -> np.ndarray:
    """Return the negative log-likelihood of each post's gold tags, in nats.

    Args:
        model: a model.
        posts: posts with tags.
        features: the store of their pictures' features.
        batch_size: posts per batch.

    Returns:
        float32 `[N]`, in the posts' order.

    Raises:
        InputError: a tag that the model does not know, a post without tags, or features of another width.
    """
    import keras

    if any(post.tags is None for post in posts):
        raise InputError("expected posts with tags, found posts without")
    scorer = keras.Model(model.input, {"potentials": model.output["potentials"], "mask": model.output["mask"]})
    batches = PostBatches(model.encoder, posts, features, batch_size)
    order = np.argsort(batches.lengths, kind="stable")
    losses = np.zeros(len(posts), "float32")
    for rows in cut(order, batches.lengths, batch_size):
        inputs, tags = batches.batch(rows)
        inputs = filled({name: inputs[name] for name in model.input})
        shape = inputs["token_mask"].shape
        tags = np.pad(tags, [(0, more - size) for more, size in zip(shape, tags.shape, strict=True)])
        found = scorer.predict_on_batch(inputs)
        likelihood = model.crf.log_likelihood(found["potentials"], tags, found["mask"])
        losses[rows] = -keras.ops.convert_to_numpy(likelihood)[: len(rows)]
    return losses
