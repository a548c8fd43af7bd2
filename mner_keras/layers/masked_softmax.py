"""`masked_softmax`: a softmax over the valid entries."""

from __future__ import annotations

import keras
from keras import ops


def masked_softmax(scores, mask, axis: int | tuple[int, ...] = -1):
    """Apply a softmax over the valid entries. Masked entries are 0; without a valid entry all are 0.

    Args:
        scores: any shape.
        mask: bool, broadcastable to the scores.
        axis: the axis or axes that sum to one.
    """
    lowest = -6e4 if keras.backend.standardize_dtype(scores.dtype) == "float16" else -1e9
    scores = ops.where(mask, scores, ops.cast(lowest, scores.dtype))
    if 0 in scores.shape:
        return scores
    # `initial`: the axis may turn out to be empty. Not on torch, where Keras puts it on the CPU and shapes are known.
    start = {} if keras.backend.backend() == "torch" else {"initial": lowest}
    highest = ops.stop_gradient(ops.max(scores, axis=axis, keepdims=True, **start))
    weights = ops.exp(scores - highest)
    weights = ops.where(mask, weights, ops.zeros_like(weights))
    total = ops.sum(weights, axis=axis, keepdims=True)
    return weights / ops.where(total > 0, total, ops.ones_like(total))
