"""`BestTags`: what tagging needs of the potentials."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.crf import CRF


@keras.saving.register_keras_serializable(package="mner_keras")
class BestTags(keras.layers.Layer):
    """The best tags of a CRF and their marginal probabilities.

    Args:
        crf: the trained layer.

    Call arguments:
        potentials: `[B, n, K]`.
        mask: bool `[B, n]`.

    Returns:
        tags int32 `[B, n]` and their probabilities `[B, n]`.
    """

    def __init__(self, crf: CRF, **kwargs) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.supports_masking = True
        self.crf = crf

    def call(self, potentials, mask):
        tags, _ = self.crf.decode(potentials, mask)
        marginals = self.crf.marginals(potentials, mask)
        return tags, ops.take_along_axis(marginals, tags[..., None], axis=-1)[..., 0]

    def compute_output_shape(self, potentials_shape, mask_shape=None):
        return potentials_shape[:-1], potentials_shape[:-1]
