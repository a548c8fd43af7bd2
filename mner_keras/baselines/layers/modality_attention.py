"""`ModalityAttention`: attention of each token to word, characters and picture."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer, masked_softmax
from mner_keras.layers.checks import check_count, check_mask


@keras.saving.register_keras_serializable(package="mner_keras")
class ModalityAttention(BaseLayer):
    """Mix a token's word vector, its characters' vector and the post's picture by attention over the three.

    Each is projected to one width, `x^w`, `x^c`, `x^v`; then `a_t = softmax(W [x^w_t; x^c_t; x^v] + b)`, three numbers,
    and `x_t = a_tw x^w_t + a_tc x^c_t + a_tv x^v`. The picture's vector is the mean of its regions; without regions,
    the softmax is over word and characters alone.

    Args:
        units: the common width.

    Call arguments:
        words: `[B, n, d_w]`.
        characters: `[B, n, d_c]`.
        regions: `[B, k, d_v]`.
        region_mask: bool `[B, k]`, true for regions.
        return_attention_scores: whether to return the weights as well.

    Returns:
        x, `[B, n, units]`; with `return_attention_scores` also a, `[B, n, 3]`: word, characters, picture.

    Example:

    >>> words, characters, regions = np.ones((2, 7, 5)), np.ones((2, 7, 4)), np.ones((2, 49, 512))
    >>> ModalityAttention(8)(words, characters, regions).shape
    TensorShape([2, 7, 8])

    Reference:
        Moon, Neves & Carvalho, "Multimodal named entity recognition for short social media posts", NAACL 2018.
    """

    def __init__(self, units: int, **kwargs) -> None:
        check_count("units", units)
        super().__init__(**kwargs)
        self.units = units

    def build(self, words_shape, characters_shape, regions_shape) -> None:
        policy = self.dtype_policy
        self.projections = [keras.layers.Dense(self.units, dtype=policy) for _ in range(3)]
        for projection, shape in zip(self.projections, (words_shape, characters_shape, regions_shape), strict=True):
            projection.build(shape)
        self.attention = keras.layers.Dense(3, dtype=policy)
        self.attention.build((None, None, 3 * self.units))

    def call(self, words, characters, regions, region_mask=None, return_attention_scores=False):
        check_mask("region_mask", region_mask, "regions", regions)
        if region_mask is None:
            region_mask = ops.ones_like(regions[..., 0], dtype="bool")
        there = ops.cast(region_mask, "bool")[..., None]  # [B, k, 1]
        seen = ops.any(there, axis=1, keepdims=True)  # [B, 1, 1]
        count = ops.maximum(ops.sum(ops.cast(there, self.compute_dtype), axis=1, keepdims=True), 1)
        picture = ops.sum(ops.where(there, regions, ops.zeros_like(regions)), axis=1, keepdims=True) / count
        word, character, visual = (
            projection(vector)
            for projection, vector in zip(self.projections, (words, characters, picture), strict=True)
        )
        visual = ops.where(seen, visual, ops.zeros_like(visual)) + ops.zeros_like(word)  # the same at each token
        scores = self.attention(ops.concatenate([word, character, visual], axis=-1))  # [B, n, 3]
        # Words and characters are always present.
        weights = masked_softmax(scores, ops.logical_or(seen, ops.arange(3) < 2))
        output = ops.matmul(weights[:, :, None], ops.stack([word, character, visual], axis=2))[:, :, 0]
        return (output, weights) if return_attention_scores else output
