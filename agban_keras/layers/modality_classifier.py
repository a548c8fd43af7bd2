"""`ModalityClassifier`: AGBAN's adversary, which classifies features as text or picture; and the released code's."""

from __future__ import annotations

import keras
from keras import ops

from agban_keras.layers.masked_network import MaskedNetwork, ReleasedNetwork
from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_mask


class _Classifier(BaseLayer):
    """A network with two outputs per feature."""

    network_class = MaskedNetwork

    def __init__(self, hidden: tuple[int, ...] = (100, 50), **kwargs) -> None:
        super().__init__(**kwargs)
        self.hidden = tuple(hidden)
        self.network = self.network_class(self.hidden, 2, dtype=self.dtype_policy)

    def build(self, features_shape) -> None:
        self.network.build(features_shape)

    def compute_output_shape(self, features_shape, *_):
        return (*features_shape[:-1], 2)


@keras.saving.register_keras_serializable(package="agban_keras")
class ModalityClassifier(_Classifier):
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

    def call(self, features, mask=None, training=None):
        check_mask("mask", mask, "features", features)
        return self.network(features, mask=mask, training=training)

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


@keras.saving.register_keras_serializable(package="agban_keras")
class ReleasedModalityClassifier(_Classifier):
    """Classify each feature as text (1) or picture (0), one modality at a time.

    The network of `ModalityClassifier` runs twice, on the tokens and then on the objects. In training each call is
    normalised by its own batch statistics, which removes the difference of the two means, and updates the moving
    statistics once.

    Args:
        hidden: widths of the inner layers.

    Call arguments:
        features: `[B, n + k, d]`, the tokens followed by the objects.
        text_mask: bool `[B, n]`, true for positions included in the tokens' batch statistics.
        object_mask: bool `[B, k]`, true for positions included in the objects'.

    Returns:
        logits `[B, n + k, 2]`: picture, text.

    Example:

    >>> features, tokens, objects = np.ones((2, 10, 200)), np.ones((2, 7), bool), np.ones((2, 3), bool)
    >>> ReleasedModalityClassifier()(features, tokens, objects).shape
    TensorShape([2, 10, 2])
    """

    network_class = ReleasedNetwork

    def call(self, features, text_mask, object_mask, training=None):
        tokens = ops.shape(text_mask)[1]
        text = self.network(features[:, :tokens], mask=text_mask, training=training)
        objects = self.network(features[:, tokens:], mask=object_mask, training=training)
        return ops.concatenate([text, objects], axis=1)
