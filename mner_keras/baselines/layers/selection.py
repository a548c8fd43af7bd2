"""`LastStates`: the final states of a BiLSTM."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_mask


@keras.saving.register_keras_serializable(package="mner_keras")
class LastStates(BaseLayer):
    """Return the final state of each direction of a BiLSTM: forward at the last token, backward at the first.

    Call arguments:
        states: `[B, n, d]`, the forward half first.
        mask: bool `[B, n]`, true for tokens; the valid tokens come first.

    Returns:
        `[B, 1, d]`, zeros for an empty row.

    Example:

    >>> LastStates()(np.ones((2, 7, 8))).shape
    TensorShape([2, 1, 8])
    """

    def call(self, states, mask=None):
        check_mask("mask", mask, "states", states)
        mask = ops.ones_like(states[..., 0], dtype="bool") if mask is None else ops.cast(mask, "bool")
        length = ops.sum(ops.cast(mask, "int32"), axis=1)[:, None, None]  # [B, 1, 1]
        half = states.shape[-1] // 2
        forward = ops.take_along_axis(states[..., :half], ops.maximum(length - 1, 0), axis=1)
        last = ops.concatenate([forward, states[:, :1, half:]], axis=-1)
        return ops.where(length > 0, last, ops.zeros_like(last))
