"""`GuidedAttention`: attention of queries to values by a score with one hidden layer."""

from typing import Literal

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer, full_mask, masked_softmax
from mner_keras.layers.checks import Count


@keras.saving.register_keras_serializable(package="mner_keras")
class GuidedAttention(BaseLayer):
    """Sum the values with one distribution per query.

    `a_t = softmax_i(score(q_t, v_i))`, `output_t = sum_i a_ti v_i`, where the score is, with matrices `W_v` (no bias)
    and `W_q` (bias b) and a vector w,

    - `"concatenate"`: `w . [tanh(W_v v_i); tanh(W_q q_t + b)]`: word-guided visual attention and image-guided textual
      attention in Zhang et al. 2018 (`AdaptiveCoAttention`);
    - `"sum"`: `w . (tanh(W_v v_i) + tanh(W_q q_t + b))`: Lu et al. 2018 (`VAM`);
    - `"joint"`: `w . tanh(W_v v_i + W_q q_t + b)`: Bahdanau's score.

    In the first two the query adds the same number to the score of every value, which the softmax cancels: all queries
    of a post have the same weights, and `W_q` is never trained. This follows from the formulas, whatever the papers'
    programs did; `"joint"` is the nearest score that depends on the query.

    Args:
        units: width of the hidden layer.
        score: `"concatenate"`, `"sum"` or `"joint"`.

    Call arguments:
        query: `[B, n, d]`.
        value: `[B, k, d']`.
        value_mask: bool `[B, k]`, true for values; without any, the output is zero.
        return_attention_scores: whether to return the weights as well.

    Returns:
        `[B, n, d']`; with `return_attention_scores` also the weights, `[B, n, k]`.
    """

    def __init__(self, units: Count, score: Literal["concatenate", "sum", "joint"] = "concatenate", **kwargs) -> None:
        super().__init__(**kwargs)

    def build(self, query_shape, value_shape) -> None:
        self.query_projection = self.add_dense(self.units, query_shape)
        self.value_projection = self.add_dense(self.units, value_shape, use_bias=False)
        width = 2 * self.units if self.score == "concatenate" else self.units
        self.vector = self.add_weight(name="vector", shape=(width, 1), initializer="glorot_uniform")  # w

    def call(self, query, value, value_mask=None, return_attention_scores=False):
        queries, values = self.query_projection(query), self.value_projection(value)
        if self.score == "joint":
            hidden = ops.tanh(values[:, None] + queries[:, :, None])  # [B, n, k, units]
            match = ops.matmul(hidden, self.vector)[..., 0]
        else:
            # The last `units` rows of w are its second half, or all of it.
            by_value = ops.matmul(ops.tanh(values), self.vector[: self.units])  # [B, k, 1]
            by_query = ops.matmul(ops.tanh(queries), self.vector[-self.units :])  # [B, n, 1]
            match = by_value[..., 0][:, None] + by_query
        weights = masked_softmax(match, full_mask(value_mask, value)[:, None])
        output = ops.matmul(weights, value)
        return (output, weights) if return_attention_scores else output
