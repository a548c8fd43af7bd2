"""`MultiHeadGeneralAttention`: Luong's attention instead of HSN's hierarchical attention."""

from __future__ import annotations

import keras
from keras import ops

from hsn_keras.layers.multi_head_hierarchical_attention import MultiHeadHierarchicalAttention
from mner_keras.layers.masked_softmax import masked_softmax


@keras.saving.register_keras_serializable(package="hsn_keras")
class MultiHeadGeneralAttention(MultiHeadHierarchicalAttention):
    """Reweight the elements of `value` by `query` with Luong's "general" score.

    "w/o HA" in the paper's table 5. The heads, their projections `V' = V W^v` and `H' = H W^h` (eq. 15), the softmax
    and the mean over them (eq. 14) and the reweighting (eq. 16) are those of `MultiHeadHierarchicalAttention`. Instead
    of eq. 8-13, each head has a matrix W of its own width and computes

    - `score(t, i) = h'_t W v'_i` (Luong et al. 2015, "general");
    - `alpha(t) = softmax_i score(t, i)`: for each query element a distribution over the values;
    - `head = mean of alpha(t)` over the valid queries, `[k]`.

    The paper names Luong's attention but not the score. That attention gives one distribution per query; their mean
    gives one weight per value.

    Arguments, call arguments, results and errors are those of `MultiHeadHierarchicalAttention`.

    Example:

    >>> text, regions = np.random.normal(size=(2, 7, 400)), np.random.normal(size=(2, 49, 400))
    >>> MultiHeadGeneralAttention()(text, regions).shape
    TensorShape([2, 49, 400])

    Reference:
        Luong, Pham & Manning, "Effective approaches to attention-based neural machine translation", EMNLP 2015;
        HSN table 5.
    """

    def build(self, query_shape, value_shape) -> None:
        super().build(query_shape, value_shape)
        head_dim = self.value_kernel.shape[-1] // self.num_heads
        self.score_kernel = self.add_weight(
            name="score_kernel", shape=(self.num_heads, head_dim, head_dim), initializer="glorot_uniform"
        )

    def head(self, queries, values, query_there, value_there):
        scores = ops.matmul(values, ops.transpose(ops.matmul(queries, self.score_kernel), (0, 1, 3, 2)))  # [B, e, k, n]
        over_values = masked_softmax(scores, value_there, axis=2)
        over_values = ops.where(query_there, over_values, ops.zeros_like(over_values))
        valid = ops.sum(ops.cast(query_there, scores.dtype), axis=3)  # [B, 1, 1]
        return ops.sum(over_values, axis=3) / ops.maximum(valid, 1)
