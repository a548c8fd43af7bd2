"""Gates between a token's text and the picture: `GatedFusion`, `FiltrationGate`, `VisualModulation`."""

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


@keras.saving.register_keras_serializable(package="mner_keras")
class VisualModulation(BaseLayer):
    """Gate a token's features and the picture's contribution to them.

    With separate matrices W, U and biases b in each line, of the width of h:

    - the visual gate `beta_v = sigmoid(W h + U c + b)`;
    - the text's gate `beta_w = sigmoid(W h + U c + b)`;
    - `m = tanh(W h + U c + b)`, and the output `beta_w * h + beta_v * m`.

    Call arguments:
        text: h, `[B, n, d]`.
        context: c, the post's attended picture, `[B, 1, d']`.
        return_gate: whether to return beta_v as well.

    Returns:
        `[B, n, d]`; with `return_gate` also beta_v, of the same shape.

    Example:

    >>> VisualModulation()(np.ones((2, 7, 8)), np.ones((2, 1, 512))).shape
    TensorShape([2, 7, 8])

    Reference:
        Lu et al., "Visual attention model for name tagging in multimodal social media", ACL 2018.
    """

    def build(self, text_shape, context_shape) -> None:
        # The three lines concatenated: visual gate, text's gate, m.
        self.text_projection = keras.layers.Dense(3 * text_shape[-1], dtype=self.dtype_policy)
        self.context_projection = keras.layers.Dense(3 * text_shape[-1], use_bias=False, dtype=self.dtype_policy)
        self.text_projection.build(text_shape)
        self.context_projection.build(context_shape)

    def call(self, text, context, return_gate=False):
        visual, textual, mixed = ops.split(self.text_projection(text) + self.context_projection(context), 3, axis=-1)
        gate = ops.sigmoid(visual)
        output = ops.sigmoid(textual) * text + gate * ops.tanh(mixed)
        return (output, gate) if return_gate else output
