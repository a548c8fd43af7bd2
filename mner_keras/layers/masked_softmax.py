"""`masked_softmax`: a softmax over what is there."""

from __future__ import annotations

import keras
from keras import ops


def masked_softmax(scores, mask, axis: int | tuple[int, ...] = -1):
    """Softmax over the valid entries; a masked entry is 0, and so is every entry where none is valid.

    Args:
        scores: any shape.
        mask: bool, broadcastable to the scores.
        axis: the axis or axes that sum to one.
    """
    lowest = -6e4 if keras.backend.standardize_dtype(scores.dtype) == "float16" else -1e9
    probabilities = ops.softmax(ops.where(mask, scores, ops.cast(lowest, scores.dtype)), axis=axis)
    return ops.where(mask, probabilities, ops.zeros_like(probabilities))
