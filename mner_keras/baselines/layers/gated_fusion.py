"""`GatedFusion`: one gate per token between picture and text."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_count


@keras.saving.register_keras_serializable(package="mner_keras")
class GatedFusion(BaseLayer):
    """Mix a visual and a textual vector of each token.

    `p = tanh(W v + b)`, `q = tanh(W' h + b')`, `m = g p + (1 - g) q` with one number per token `g = sigmoid(w . [p;
    q])`. A public implementation adds p and q in the gate, and projects `[g p; (1 - g) q]` where the paper adds the
    two; this is the paper's form.

    Args:
        units: width of p, q and m.

    Call arguments:
        visual: the attended picture, `[B, n, d]`.
        textual: the attended text, `[B, n, d']`.
        return_gate: whether to return g as well.

    Returns:
        m, `[B, n, units]`; with `return_gate` also g, `[B, n, 1]`.

    Example:

    >>> GatedFusion(8)(np.ones((2, 7, 5)), np.ones((2, 7, 6))).shape
    TensorShape([2, 7, 8])

    Reference:
        Zhang et al., "Adaptive co-attention network for named entity recognition in tweets", AAAI 2018.
    """

    def __init__(self, units: int, **kwargs) -> None:
        check_count("units", units)
        super().__init__(**kwargs)
        self.units = units

    def build(self, visual_shape, textual_shape) -> None:
        policy = self.dtype_policy
        self.visual_projection = keras.layers.Dense(self.units, activation="tanh", dtype=policy)
        self.textual_projection = keras.layers.Dense(self.units, activation="tanh", dtype=policy)
        self.gate = keras.layers.Dense(1, activation="sigmoid", use_bias=False, dtype=policy)
        self.visual_projection.build(visual_shape)
        self.textual_projection.build(textual_shape)
        self.gate.build((None, None, 2 * self.units))

    def call(self, visual, textual, return_gate=False):
        p, q = self.visual_projection(visual), self.textual_projection(textual)
        gate = self.gate(ops.concatenate([p, q], axis=-1))
        output = gate * p + (1 - gate) * q
        return (output, gate) if return_gate else output

    def compute_output_spec(self, visual, textual, return_gate=False):
        output = keras.KerasTensor((*visual.shape[:-1], self.units), dtype=self.compute_dtype)
        gate = keras.KerasTensor((*visual.shape[:-1], 1), dtype=self.compute_dtype)
        return (output, gate) if return_gate else output
