"""`HierarchicalAttention`: HSN's attention between two modalities, with one head and no weights."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_mask
from mner_keras.layers.masked_softmax import masked_softmax


class Reweighting(BaseLayer):
    """Base of the units that reweight the elements of `value` by `query`.

    A subclass computes the weights s in `weights_of`; the output is `s * V`, without pooling (HSN eq. 16).
    """

    def weights_of(self, query, value, query_mask, value_mask):
        """Return the weights s, `[B, k]`, 0 for masked values; the arguments are those of the call, masks included."""
        raise NotImplementedError

    def call(self, query, value, query_mask=None, value_mask=None, return_attention_scores=False):
        check_mask("query_mask", query_mask, "query", query)
        check_mask("value_mask", value_mask, "value", value)
        if query_mask is None:
            query_mask = ops.ones_like(query[..., 0], dtype="bool")
        if value_mask is None:
            value_mask = ops.ones_like(value[..., 0], dtype="bool")
        scores = self.weights_of(query, value, ops.cast(query_mask, "bool"), ops.cast(value_mask, "bool"))
        output = scores[..., None] * value
        return (output, scores) if return_attention_scores else output

    def compute_output_spec(self, query, value, query_mask=None, value_mask=None, return_attention_scores=False):
        check_mask("query_mask", query_mask, "query", query)
        check_mask("value_mask", value_mask, "value", value)
        output = keras.KerasTensor(value.shape, dtype=self.compute_dtype)
        scores = keras.KerasTensor(value.shape[:-1], dtype=self.compute_dtype)
        return (output, scores) if return_attention_scores else output


@keras.saving.register_keras_serializable(package="hsn_keras")
class HierarchicalAttention(Reweighting):
    """Reweight the elements of `value` by `query` with equations 8 to 13, without projections.

    This is `MultiHeadHierarchicalAttention` without heads: no projection (eq. 15), and no softmax and mean over the
    heads (eq. 14); "w/o MP" in the paper's table 5. The weights are `s = A beta`, and the output `s * V` (eq. 16).

    Call arguments and results are those of `MultiHeadHierarchicalAttention`.

    Raises:
        ValueError: `query` and `value` differ in width.

    Example:

    >>> text, regions = np.random.normal(size=(2, 7, 400)), np.random.normal(size=(2, 49, 400))
    >>> HierarchicalAttention()(text, regions).shape
    TensorShape([2, 49, 400])

    Reference:
        Tian et al., "Hierarchical self-adaptation network for multimodal named entity recognition in social media",
        Neurocomputing 2021, eq. 8-13.
    """

    def build(self, query_shape, value_shape) -> None:
        if query_shape[-1] != value_shape[-1]:
            raise ValueError(
                "`query` and `value` must have the same width. "
                f"Received: query.shape={tuple(query_shape)}, value.shape={tuple(value_shape)}"
            )

    def weights_of(self, query, value, query_mask, value_mask):
        return hierarchical_weights(query, value, query_mask[:, None, :], value_mask[:, :, None])


def hierarchical_weights(queries, values, query_there, value_there):
    """Return `s = A beta` of eq. 8-13 over any leading axes, `[..., k]`, 0 for masked values.

    `alpha(t)` is a distribution over the values for each query (eq. 9-10); `beta(i)` is one over the queries for each
    value, and `beta` their mean over the valid values (eq. 11-12).

    Args:
        queries: `[..., n, d]`.
        values: `[..., k, d]`.
        query_there: bool, broadcastable to `[..., 1, n]`.
        value_there: bool, broadcastable to `[..., k, 1]`.
    """
    match = ops.matmul(values, ops.swapaxes(queries, -1, -2))  # M [..., k, n]
    over_values = masked_softmax(match, value_there, axis=-2)
    over_queries = masked_softmax(match, query_there, axis=-1)
    over_queries = ops.where(value_there, over_queries, ops.zeros_like(over_queries))
    valid = ops.sum(ops.cast(value_there, match.dtype), axis=-2)  # [..., 1]
    beta = ops.sum(over_queries, axis=-2) / ops.maximum(valid, 1)  # [..., n]
    return ops.sum(over_values * beta[..., None, :], axis=-1)
