"""HSN's layers, and their replacements in its ablations."""

from typing import Literal

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer, full_mask, masked_softmax
from mner_keras.layers.checks import Count

__all__ = [
    "HierarchicalAttention",
    "MultiHeadGeneralAttention",
    "MultiHeadHierarchicalAttention",
    "SelfAdaptiveIntegration",
]


class Reweighting(BaseLayer):
    """Base of the units that reweight the elements of `value` by `query`.

    A subclass computes the weights s, `[B, k]`, 0 for masked values, in `weights_of(query, value, query_mask,
    value_mask)`; the output is `s * V`, without pooling (HSN eq. 16).
    """

    def call(self, query, value, query_mask=None, value_mask=None, return_attention_scores=False):
        scores = self.weights_of(query, value, full_mask(query_mask, query), full_mask(value_mask, value))
        output = scores[..., None] * value
        return (output, scores) if return_attention_scores else output


def hierarchical_weights(queries, values, query_there, value_there):
    """Return `s = A beta` of eq. 8-13 over any leading axes, `[..., k]`, 0 for masked values.

    `alpha(t)` is a distribution over the values `[..., k, d]` for each query `[..., n, d]` (eq. 9-10); `beta(i)` is one
    over the queries for each value, and `beta` their mean over the valid values (eq. 11-12). The masks are bool,
    broadcastable to `[..., 1, n]` and `[..., k, 1]`.
    """
    match = ops.matmul(values, ops.swapaxes(queries, -1, -2))  # M [..., k, n]
    over_values = masked_softmax(match, value_there, axis=-2)
    over_queries = masked_softmax(match, query_there, axis=-1)
    beta = _mean_of_valid(over_queries, value_there, axis=-2)  # [..., n]
    return ops.sum(over_values * beta[..., None, :], axis=-1)


def _mean_of_valid(elements, there, axis: int):
    valid = ops.sum(ops.cast(there, elements.dtype), axis=axis)
    return ops.sum(ops.where(there, elements, ops.zeros_like(elements)), axis=axis) / ops.maximum(valid, 1)


@keras.saving.register_keras_serializable(package="hsn_keras")
class HierarchicalAttention(Reweighting):
    """Reweight the elements of `value` by `query` with equations 8 to 13, without projections.

    This is `MultiHeadHierarchicalAttention` without heads: no projection (eq. 15), and no softmax and mean over the
    heads (eq. 14); "w/o MP" in the paper's table 5. The weights are `s = A beta`, and the output `s * V` (eq. 16).

    Call arguments and results are those of `MultiHeadHierarchicalAttention`.

    Raises:
        ValueError: `query` and `value` differ in width.
    """

    def build(self, query_shape, value_shape) -> None:
        _check_same_width(query=query_shape, value=value_shape)

    def weights_of(self, query, value, query_mask, value_mask):
        return hierarchical_weights(query, value, query_mask[:, None, :], value_mask[:, :, None])


@keras.saving.register_keras_serializable(package="hsn_keras")
class MultiHeadHierarchicalAttention(Reweighting):
    """Reweight the elements of `value` by hierarchical attention from `query`.

    In the text-to-image unit `query` is the text H `[B, n, d]` and `value` the regions V `[B, k, d]`; in the
    image-to-text unit the roles are swapped. For each head, with `V' = V W^v` and `H' = H W^h` (eq. 15):

    - `M(i, j) = v'_i . h'_j` (eq. 8, not scaled);
    - `alpha(t) = softmax_i M(i, t)`: for each query element a distribution over the values (eq. 9-10);
    - `beta(i) = softmax_j M(i, j)`, `beta = mean of beta(i)` over the valid values (eq. 11-12, printed with 1/n);
    - `head = A beta`, `[k]` (eq. 13, where the paper prints `A^T beta`, a product of shapes that do not fit).

    The weights are `s = (1/e) sum over heads of softmax(head)` (eq. 14, printed with 1/n), and the output `s * V`
    (eq. 16). As the softmax of a probability vector is close to uniform, `head_softmax=False` averages the heads.

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
        `value` reweighted, `[B, k, d']`; with `return_attention_scores` also s, `[B, k]`, whose sum is one.

    Raises:
        ValueError: `head_dim` is missing and `num_heads` does not divide the width of `value`.

    Example:

    >>> text, regions = np.random.normal(size=(2, 7, 400)), np.random.normal(size=(2, 49, 400))
    >>> MultiHeadHierarchicalAttention()(text, regions).shape
    TensorShape([2, 49, 400])

    Reference:
        Tian et al. 2021 (see `HSN`), section 3.3.
    """

    def __init__(
        self, num_heads: Count = 8, head_dim: Count | None = None, head_softmax: bool = True, **kwargs
    ) -> None:
        super().__init__(**kwargs)

    def build(self, query_shape, value_shape) -> None:
        width = value_shape[-1]
        if self.head_dim is None and width % self.num_heads:
            expected = f"divide the width of `value`, {width}, where `head_dim` is not given"
            raise ValueError(f"`num_heads` must {expected}. Received: num_heads={self.num_heads}")
        units = self.num_heads * (self.head_dim or width // self.num_heads)
        self.query_kernel = self.add_weight(
            name="query_kernel", shape=(query_shape[-1], units), initializer="glorot_uniform"
        )
        self.value_kernel = self.add_weight(name="value_kernel", shape=(width, units), initializer="glorot_uniform")

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


@keras.saving.register_keras_serializable(package="hsn_keras")
class MultiHeadGeneralAttention(MultiHeadHierarchicalAttention):
    """Reweight the elements of `value` by `query` with Luong's "general" score.

    "w/o HA" in the paper's table 5. The heads, their projections `V' = V W^v` and `H' = H W^h` (eq. 15), the softmax
    and the mean over them (eq. 14) and the reweighting (eq. 16) are those of `MultiHeadHierarchicalAttention`, and so
    are arguments, call arguments, results and errors. Instead of eq. 8-13, each head has a matrix W of its own width
    and computes

    - `score(t, i) = h'_t W v'_i` (Luong et al. 2015, "general");
    - `alpha(t) = softmax_i score(t, i)`: for each query element a distribution over the values;
    - `head = mean of alpha(t)` over the valid queries, `[k]`.

    The paper names Luong's attention, which gives one distribution per query; score and mean are our reading.

    Reference:
        Luong, Pham & Manning, "Effective approaches to attention-based neural machine translation", EMNLP 2015.
    """

    def build(self, query_shape, value_shape) -> None:
        super().build(query_shape, value_shape)
        head_dim = self.value_kernel.shape[-1] // self.num_heads
        self.score_kernel = self.add_weight(
            name="score_kernel", shape=(self.num_heads, head_dim, head_dim), initializer="glorot_uniform"
        )

    def head(self, queries, values, query_there, value_there):
        scores = ops.matmul(values, ops.swapaxes(ops.matmul(queries, self.score_kernel), -1, -2))  # [B, e, k, n]
        return _mean_of_valid(masked_softmax(scores, value_there, axis=-2), query_there, axis=-1)


@keras.saving.register_keras_serializable(package="hsn_keras")
class SelfAdaptiveIntegration(BaseLayer):
    """Mix text and fusion features with a learnt weight for each token.

    Equations: `gamma = sigmoid(W H + U F + b)` (eq. 17), `O = gamma * H + (1 - gamma) * F` (eq. 18). A gamma near 1
    trusts the text, near 0 the fusion with the picture.

    Args:
        gate: `"token"` for one number per token, as the paper says ("n scalars"); `"feature"` for one per feature.

    Call arguments:
        text: H, `[B, n, d]`.
        fusion: F, `[B, n, d]`.
        return_gate: whether to return gamma as well.

    Returns:
        O, `[B, n, d]`; with `return_gate` also gamma, `[B, n, 1]` or `[B, n, d]`.

    Example:

    >>> text = fusion = np.ones((2, 7, 16))
    >>> SelfAdaptiveIntegration()(text, fusion).shape
    TensorShape([2, 7, 16])

    Reference:
        Tian et al. 2021 (see `HSN`), section 3.4.
    """

    def __init__(self, gate: Literal["token", "feature"] = "token", **kwargs) -> None:
        super().__init__(**kwargs)

    def build(self, text_shape, fusion_shape) -> None:
        _check_same_width(text=text_shape, fusion=fusion_shape)
        units = 1 if self.gate == "token" else text_shape[-1]
        self.text_gate = self.add_dense(units, text_shape)
        self.fusion_gate = self.add_dense(units, fusion_shape, use_bias=False)

    def call(self, text, fusion, return_gate=False):
        gamma = ops.sigmoid(self.text_gate(text) + self.fusion_gate(fusion))
        output = gamma * text + (1 - gamma) * fusion
        return (output, gamma) if return_gate else output


def _check_same_width(**shapes) -> None:
    (one, shape), (other, other_shape) = shapes.items()
    if shape[-1] != other_shape[-1]:
        found = f"{one}.shape={tuple(shape)}, {other}.shape={tuple(other_shape)}"
        raise ValueError(f"`{one}` and `{other}` must have the same width. Received: {found}")
