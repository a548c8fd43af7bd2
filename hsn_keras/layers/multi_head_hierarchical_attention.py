"""`MultiHeadHierarchicalAttention`: HSN's attention between two modalities."""

from __future__ import annotations

import keras
from keras import ops

from hsn_keras.layers.hierarchical_attention import Reweighting, hierarchical_weights
from mner_keras.layers.checks import check_choice, check_count
from mner_keras.layers.masked_softmax import masked_softmax


@keras.saving.register_keras_serializable(package="hsn_keras")
class MultiHeadHierarchicalAttention(Reweighting):
    """Reweight the elements of `value` by hierarchical attention from `query`.

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
        head_dim: width of a head; by default the width of `value` divided by `num_heads`.
        head_softmax: whether to apply a softmax to each head before the mean, as eq. 14 prints it.

    Call arguments:
        query: `[B, n, d]`.
        value: `[B, k, d']`.
        query_mask: bool `[B, n]`, true for valid elements.
        value_mask: bool `[B, k]`.
        return_attention_scores: whether to return the weights as well.

    Returns:
        `value` reweighted, `[B, k, d']`; with `return_attention_scores` also the weights s, `[B, k]`, which sum to one
        over the valid values.

    Raises:
        ValueError: `head_dim` is missing and `num_heads` does not divide the width of `value`.

    Example:

    >>> text, regions = np.random.normal(size=(2, 7, 400)), np.random.normal(size=(2, 49, 400))
    >>> MultiHeadHierarchicalAttention()(text, regions).shape
    TensorShape([2, 49, 400])

    Reference:
        Tian et al., "Hierarchical self-adaptation network for multimodal named entity recognition in social media",
        Neurocomputing 2021, eq. 8-16.
    """

    def __init__(self, num_heads: int = 8, head_dim: int | None = None, head_softmax: bool = True, **kwargs) -> None:
        check_count("num_heads", num_heads)
        if head_dim is not None:
            check_count("head_dim", head_dim)
        check_choice("head_softmax", head_softmax, (True, False))
        super().__init__(**kwargs)
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

    def weights_of(self, query, value, query_mask, value_mask):
        queries = self._heads(query, self.query_kernel)  # [B, e, n, head_dim]
        values = self._heads(value, self.value_kernel)  # [B, e, k, head_dim]
        heads = self.head(queries, values, query_mask[:, None, None, :], value_mask[:, None, :, None])  # [B, e, k]
        if self.head_softmax:
            heads = masked_softmax(heads, value_mask[:, None, :])
        return ops.mean(heads, axis=1)

    def head(self, queries, values, query_there, value_there):
        """Return each head's weights, `[B, e, k]` (eq. 8-13); masks are bool `[B, 1, 1, n]` and `[B, 1, k, 1]`."""
        return hierarchical_weights(queries, values, query_there, value_there)

    def _heads(self, elements, kernel):
        shape = ops.shape(elements)
        projected = ops.matmul(elements, kernel)
        # No -1: there may be no elements.
        split = ops.reshape(projected, (shape[0], shape[1], self.num_heads, kernel.shape[-1] // self.num_heads))
        return ops.transpose(split, (0, 2, 1, 3))
