"""`MultiHeadHierarchicalAttention`: HSN's attention between two modalities."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.masked_softmax import masked_softmax


@keras.saving.register_keras_serializable(package="hsn_keras")
class MultiHeadHierarchicalAttention(keras.layers.Layer):
    """Weigh the elements of `value` by what `query` says of them, and return `value` reweighted.

    In the text-to-image unit `query` is the text H `[B, n, d]` and `value` the regions V `[B, k, d]`; in the
    image-to-text unit the roles are swapped. For each head, with `V' = V W^v` and `H' = H W^h` (eq. 15):

    - `M(i, j) = v'_i . h'_j` (eq. 8, not scaled);
    - `alpha(t) = softmax_i M(i, t)`: for each query element a distribution over the values (eq. 9-10);
    - `beta(i) = softmax_j M(i, j)`, `beta = mean of beta(i)` over the valid values (eq. 11-12, where the paper prints
      1/n before a sum of k terms);
    - `head = A beta`, `[k]` (eq. 13, where the paper prints `A^T beta`, a product of shapes that do not fit).

    The weights are `s = (1/e) sum over heads of softmax(head)` (eq. 14, printed with 1/n), and the output `s * V`
    (eq. 16). The softmax of a probability vector is close to uniform: with `head_softmax=False` the heads themselves
    are averaged.

    Args:
        num_heads: the number of heads, e.
        head_dim: width of a head; by default the width of `value` over `num_heads`.
        head_softmax: whether each head passes a softmax before the mean, as eq. 14 prints it.

    Call arguments:
        query: `[B, n, d]`.
        value: `[B, k, d']`.
        query_mask: bool `[B, n]`, true where an element stands.
        value_mask: bool `[B, k]`.
        return_attention_scores: whether to return the weights as well.

    Returns:
        `value` reweighted, `[B, k, d']`; with `return_attention_scores` also the weights s, `[B, k]`, which sum to one
        over the valid values.

    Raises:
        ValueError: `head_dim` is not given and `num_heads` does not divide the width of `value`.

    Example:

    >>> text, regions = np.random.normal(size=(2, 7, 400)), np.random.normal(size=(2, 49, 400))
    >>> MultiHeadHierarchicalAttention()(text, regions).shape
    TensorShape([2, 49, 400])

    Reference:
        Tian et al., "Hierarchical self-adaptation network for multimodal named entity recognition in social media",
        Neurocomputing 2021, eq. 8-16.
    """

    def __init__(self, num_heads: int = 8, head_dim: int | None = None, head_softmax: bool = True, **kwargs) -> None:
        if num_heads < 1:
            raise ValueError(f"`num_heads` must be at least 1. Received: num_heads={num_heads}")
        if head_dim is not None and head_dim < 1:
            raise ValueError(f"`head_dim` must be at least 1. Received: head_dim={head_dim}")
        super().__init__(**kwargs)
        self.supports_masking = True
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.head_softmax = head_softmax

    def build(self, query_shape, value_shape) -> None:
        width = value_shape[-1]
        if self.head_dim is None and width % self.num_heads:
            raise ValueError(
                f"`num_heads` must divide the width of `value`, {width}, where `head_dim` is not given. "
                f"Received: num_heads={self.num_heads}"
            )
        head_dim = self.head_dim or width // self.num_heads
        self.query_kernel = self.add_weight(
            name="query_kernel", shape=(query_shape[-1], self.num_heads * head_dim), initializer="glorot_uniform"
        )
        self.value_kernel = self.add_weight(
            name="value_kernel", shape=(width, self.num_heads * head_dim), initializer="glorot_uniform"
        )

    def call(self, query, value, query_mask=None, value_mask=None, return_attention_scores=False):
        queries = self._heads(query, self.query_kernel)  # [B, e, n, head_dim]
        values = self._heads(value, self.value_kernel)  # [B, e, k, head_dim]
        if query_mask is None:
            query_mask = ops.ones_like(query[..., 0], dtype="bool")
        if value_mask is None:
            value_mask = ops.ones_like(value[..., 0], dtype="bool")
        query_there = ops.cast(query_mask, "bool")[:, None, None, :]  # [B, 1, 1, n]
        value_there = ops.cast(value_mask, "bool")[:, None, :, None]  # [B, 1, k, 1]
        match = ops.matmul(values, ops.transpose(queries, (0, 1, 3, 2)))  # [B, e, k, n]
        over_values = masked_softmax(match, value_there, axis=2)
        over_queries = masked_softmax(match, query_there, axis=3)
        over_queries = ops.where(value_there, over_queries, ops.zeros_like(over_queries))
        valid = ops.sum(ops.cast(value_there, match.dtype), axis=2)  # [B, 1, 1]
        beta = ops.sum(over_queries, axis=2) / ops.maximum(valid, 1)  # [B, e, n]
        heads = ops.sum(over_values * beta[:, :, None, :], axis=3)  # [B, e, k]
        if self.head_softmax:
            heads = masked_softmax(heads, value_there[..., 0])
        scores = ops.mean(heads, axis=1)  # [B, k]
        output = scores[..., None] * value
        return (output, scores) if return_attention_scores else output

    def compute_mask(self, inputs, previous_mask=None):
        return None

    def compute_output_spec(self, query, value, query_mask=None, value_mask=None, return_attention_scores=False):
        output = keras.KerasTensor(value.shape, dtype=self.compute_dtype)
        scores = keras.KerasTensor(value.shape[:-1], dtype=self.compute_dtype)
        return (output, scores) if return_attention_scores else output

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "head_dim": self.head_dim,
            "head_softmax": self.head_softmax,
        }

    def _heads(self, elements, kernel):
        shape = ops.shape(elements)
        projected = ops.matmul(elements, kernel)
        # No -1: there may be no element at all.
        split = ops.reshape(projected, (shape[0], shape[1], self.num_heads, kernel.shape[-1] // self.num_heads))
        return ops.transpose(split, (0, 2, 1, 3))
