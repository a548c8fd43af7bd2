"""`DirectionalSelfAttention`: attention of each feature of a token to the tokens on one side."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer, masked_softmax
from mner_keras.layers.checks import check_choice, check_mask, check_strength


@keras.saving.register_keras_serializable(package="mner_keras")
class DirectionalSelfAttention(BaseLayer):
    """Apply multi-dimensional directional self-attention with the picture in its alignment.

    - `f(h_i, h_j) = c tanh((W_1 h_i + W_2 h_j + W_3 v_i + b) / c)`, a vector of the width of h;
    - `p_ij = softmax_j f(h_i, h_j)`, feature by feature, over the valid j before i (`"forward"`) or after i
      (`"backward"`), never i itself;
    - `s_i = sum_j p_ij * h_j`, zero where no such j is;
    - `F = sigmoid(W_4 s_i + W_5 h_i + b)`, and the output `F * h_i + (1 - F) * s_i`.

    Memory is `[B, n, n, d]`.

    Args:
        direction: `"forward"` or `"backward"`.
        scale: c.

    Call arguments:
        text: h, `[B, n, d]`.
        picture: v, each token's attended picture, `[B, n, d']`.
        text_mask: bool `[B, n]`, true for tokens.

    Returns:
        `[B, n, d]`.

    Example:

    >>> DirectionalSelfAttention()(np.ones((2, 7, 8)), np.ones((2, 7, 512))).shape
    TensorShape([2, 7, 8])

    Reference:
        Shen et al., "DiSAN: directional self-attention network for RNN/CNN-free language understanding", AAAI 2018;
        with the picture: Arshad et al., "Aiding intra-text representations with visual context for multimodal named
        entity recognition", ICDAR 2019.
    """

    def __init__(self, direction: str = "forward", scale: float = 5.0, **kwargs) -> None:
        check_choice("direction", direction, ("forward", "backward"))
        check_strength("scale", scale)
        if not scale:
            raise ValueError(f"`scale` must be above 0. Received: scale={scale!r}")
        super().__init__(**kwargs)
        self.direction = direction
        self.scale = scale

    def build(self, text_shape, picture_shape) -> None:
        width = text_shape[-1]

        def dense(shape, use_bias):
            layer = keras.layers.Dense(width, use_bias=use_bias, dtype=self.dtype_policy)
            layer.build(shape)
            return layer

        self.token_alignment = dense(text_shape, True)  # W_1, b
        self.other_alignment = dense(text_shape, False)  # W_2
        self.picture_alignment = dense(picture_shape, False)  # W_3
        self.attended_gate = dense(text_shape, True)  # W_4, b
        self.token_gate = dense(text_shape, False)  # W_5

    def call(self, text, picture, text_mask=None):
        check_mask("text_mask", text_mask, "text", text)
        place = ops.arange(ops.shape(text)[1])
        there = place[None] < place[:, None] if self.direction == "forward" else place[None] > place[:, None]
        there = there[None, :, :, None]  # [1, i, j, 1]
        if text_mask is not None:
            there = ops.logical_and(there, ops.cast(text_mask, "bool")[:, None, :, None])
        own = self.token_alignment(text) + self.picture_alignment(picture)
        aligned = own[:, :, None] + self.other_alignment(text)[:, None]  # [B, i, j, d]
        weights = masked_softmax(self.scale * ops.tanh(aligned / self.scale), there, axis=2)
        attended = ops.sum(weights * text[:, None], axis=2)
        gate = ops.sigmoid(self.attended_gate(attended) + self.token_gate(text))
        return gate * text + (1 - gate) * attended
