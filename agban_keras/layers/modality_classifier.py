"""`ModalityClassifier`: AGBAN's adversary, which classifies features as text or picture."""

from __future__ import annotations

import keras
from keras import ops

from agban_keras.layers.masked_network import MaskedNetwork
from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_mask


@keras.saving.register_keras_serializable(package="agban_keras")
class ModalityClassifier(BaseLayer):
    """Classify each feature of a post: text (1) or picture (0).

    A three-layer feed-forward network D (AGBAN section III-D). Text and objects pass through it in one call: separate
    batch normalisation of each modality would hide the difference of their means. Its loss is
        L_adv = -1/(n+k) sum_i [ tau_i log D(o_i) + (1 - tau_i) log(1 - D(o_i)) ]     (eq. 8)

    over a post's n tokens and k objects.

    Args:
        hidden: widths of the inner layers (the released code's).

    Call arguments:
        features: `[B, m, d]`, tokens and objects along one axis.
        mask: bool `[B, m]`, true for valid positions.

    Returns:
        logits `[B, m, 2]`: picture, text.

    Example:

    >>> ModalityClassifier()(np.ones((2, 10, 200))).shape
    TensorShape([2, 10, 2])
    """

    def __init__(self, hidden: tuple[int, ...] = (100, 50), **kwargs) -> None:
        super().__init__(**kwargs)
        self.hidden = tuple(hidden)
        self.network = MaskedNetwork(self.hidden, 2, dtype=self.dtype_policy)

    def build(self, features_shape) -> None:
        self.network.build(features_shape)

    def call(self, features, mask=None, training=None):
        check_mask("mask", mask, "features", features)
        return self.network(features, mask=mask, training=training)

    def compute_output_shape(self, features_shape):
        return (*features_shape[:-1], 2)

    def loss(self, logits, is_text, mask):
        """Return L_adv of each post, `[B]`, in float32; 0 for a post without tokens and objects.

        Args:
            logits: `[B, m, 2]`.
            is_text: bool `[m]` or `[B, m]`.
            mask: bool `[B, m]`.
        """
        log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        right = ops.where(is_text, log_probabilities[..., 1], log_probabilities[..., 0])
        there = ops.cast(mask, "float32")
        return -ops.sum(right * there, axis=1) / ops.maximum(ops.sum(there, axis=1), 1.0)
