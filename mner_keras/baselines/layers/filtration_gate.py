"""`FiltrationGate`: filters fused features by the text."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_count


@keras.saving.register_keras_serializable(package="mner_keras")
class FiltrationGate(BaseLayer):
    """Filter the fused features of each token by its text features.

    `s = sigmoid(W h + U m + b)`, `u = s * tanh(W' m + b')`. The gate is one number per feature; a public implementation
    makes it one number per token, from the fused features alone.

    Args:
        units: width of the gate and of the output.

    Call arguments:
        text: h, `[B, n, d]`.
        fused: m, `[B, n, d']`.
        return_gate: whether to return s as well.

    Returns:
        u, `[B, n, units]`; with `return_gate` also s, of the same shape.

    Example:

    >>> FiltrationGate(8)(np.ones((2, 7, 5)), np.ones((2, 7, 6))).shape
    TensorShape([2, 7, 8])

    Reference:
        Zhang et al., "Adaptive co-attention network for named entity recognition in tweets", AAAI 2018.
    """

    def __init__(self, units: int, **kwargs) -> None:
        check_count("units", units)
        super().__init__(**kwargs)
        self.units = units

    def build(self, text_shape, fused_shape) -> None:
        policy = self.dtype_policy
        self.text_gate = keras.layers.Dense(self.units, dtype=policy)
        self.fused_gate = keras.layers.Dense(self.units, use_bias=False, dtype=policy)
        self.projection = keras.layers.Dense(self.units, activation="tanh", dtype=policy)
        self.text_gate.build(text_shape)
        self.fused_gate.build(fused_shape)
        self.projection.build(fused_shape)

    def call(self, text, fused, return_gate=False):
        gate = ops.sigmoid(self.text_gate(text) + self.fused_gate(fused))
        output = gate * self.projection(fused)
        return (output, gate) if return_gate else output

    def compute_output_spec(self, text, fused, return_gate=False):
        output = keras.KerasTensor((*text.shape[:-1], self.units), dtype=self.compute_dtype)
        gate = keras.KerasTensor(output.shape, dtype=self.compute_dtype)
        return (output, gate) if return_gate else output
