"""The temperature of a model's scores, and how far the scores of entities are from their precision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from mner_keras.data.post import Post, entity_spans
from mner_keras.tagged_post import TaggedPost
from mner_keras.tagger import Tagger

BINS = 10  # of equal width from 0 to 1
RANGE = (0.05, 20.0)  # the lowest and the highest temperature


def fit_temperature(model: Tagger, posts: Sequence[Post], features: Any = None) -> float:
    """Return the temperature with the highest likelihood of the tags of posts that the model was not trained on.

    Reference:
        Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2.
    """
    from scipy.optimize import minimize_scalar

    rows = model.potentials(posts, features)
    tags = [model.preprocessor.tag_ids(post.tags) for post in posts]
    potentials, tags, mask = (
        keras.utils.pad_sequences(values, dtype=dtype, padding="post")
        for values, dtype in ((rows, "float32"), (tags, "int32"), ([np.ones(len(row)) for row in rows], "bool"))
    )

    def loss(logarithm: float) -> float:
        found = model.crf.log_likelihood(potentials, tags, mask, temperature=float(np.exp(logarithm)))
        return -float(np.mean(ops.convert_to_numpy(found)))

    return float(np.exp(minimize_scalar(loss, bounds=np.log(RANGE), method="bounded").x))


def calibration(gold: Iterable[Sequence[str]], tagged: Iterable[TaggedPost]) -> dict[str, Any]:
    """Compare the scores of predicted entities with the share that is correct, in percent.

    Args:
        gold: the tags of each post.
        tagged: the same posts with a model's entities and scores.

    Returns:
        `error`, the expected calibration error: the mean, over the entities, of the difference between score and
            precision in their bin; and `bins`, those with entities: mean `score`, `precision`, number of `entities`.
    """
    pairs = [
        (entity.score, (entity.type, entity.start, entity.end) in spans)
        for spans, post in ((set(entity_spans(tags)), post) for tags, post in zip(gold, tagged, strict=True))
        for entity in post.entities
    ]
    scores, correct = np.array(pairs, "float64").reshape(-1, 2).T
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    count, score, precision = (np.bincount(place, x, BINS) for x in (np.ones_like(scores), scores, correct))
    return {
        "error": 100 * float(np.abs(score - precision).sum()) / max(len(scores), 1),
        "bins": [
            {"score": 100 * s / n, "precision": 100 * p / n, "entities": int(n)}
            for n, s, p in zip(count.tolist(), score.tolist(), precision.tolist(), strict=True)
            if n
        ],
    }
