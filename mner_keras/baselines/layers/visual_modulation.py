"""`VisualModulation`: the visual gate between a token's features and the picture."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer


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

    def compute_output_spec(self, text, context, return_gate=False):
        output = keras.KerasTensor(text.shape, dtype=self.compute_dtype)
        gate = keras.KerasTensor(output.shape, dtype=self.compute_dtype)
        return (output, gate) if return_gate else output
