"""`ReleasedModalityClassifier`: the released code's adversary, which normalises words and objects separately."""

from __future__ import annotations

import keras
from keras import ops

from agban_keras.layers.masked_network import ReleasedNetwork
from mner_keras.layers.base import BaseLayer


@keras.saving.register_keras_serializable(package="agban_keras")
class ReleasedModalityClassifier(BaseLayer):
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

    def __init__(self, hidden: tuple[int, ...] = (100, 50), **kwargs) -> None:
        super().__init__(**kwargs)
        self.hidden = tuple(hidden)
        self.network = ReleasedNetwork(self.hidden, 2, dtype=self.dtype_policy)

    def build(self, features_shape) -> None:
        self.network.build(features_shape)

    def call(self, features, text_mask, object_mask, training=None):
        tokens = ops.shape(text_mask)[1]
        text = self.network(features[:, :tokens], mask=text_mask, training=training)
        objects = self.network(features[:, tokens:], mask=object_mask, training=training)
        return ops.concatenate([text, objects], axis=1)

    def compute_output_shape(self, features_shape, *_):
        return (*features_shape[:-1], 2)
