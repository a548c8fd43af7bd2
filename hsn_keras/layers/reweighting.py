"""`Reweighting`: the base of HSN's attention units."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_mask


class Reweighting(BaseLayer):
    """Base of the units that reweight the elements of `value` by `query`.

    A subclass computes the weights s in `weights_of`; the output is `s * V`, without pooling (HSN eq. 16).

    Call arguments:
        query: `[B, n, d]`.
        value: `[B, k, d']`.
        query_mask: bool `[B, n]`, true for valid elements.
        value_mask: bool `[B, k]`.
        return_attention_scores: whether to return the weights as well.

    Returns:
        `value` reweighted, `[B, k, d']`; with `return_attention_scores` also the weights s, `[B, k]`.
    """

    def weights_of(self, query, value, query_mask, value_mask):
        """Return the weights s, `[B, k]`, 0 for masked values.

        Args:
            query: `[B, n, d]`.
            value: `[B, k, d']`.
            query_mask: bool `[B, n]`.
            value_mask: bool `[B, k]`.
        """
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
