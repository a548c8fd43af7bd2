"""`PooledCharCNN`: token vectors from characters by stacked convolutions."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_count, check_mask, check_rate


@keras.saving.register_keras_serializable(package="mner_keras")
class PooledCharCNN(BaseLayer):
    """Encode each token by character embeddings, three convolutions with pooling, and two dense layers.

    Each convolution is followed by relu, the maximum over each two neighbours, and dropout; then batch normalisation
    over the valid tokens, a dense layer with relu, dropout, and a dense layer. Stacking the convolutions, and padding
    them so that words of any length pass, is our reading.

    Args:
        vocabulary_size: rows of the character table; row 0 pads.
        embedding_dim: width of a character's vector.
        filters: filters of each convolution.
        kernel_sizes: characters that the filters of each convolution see.
        hidden_units: width of the inner dense layer.
        units: width of a word's vector.
        dropout: rate after each convolution and after the inner dense layer.

    Call arguments:
        char_ids: int32 `[B, n, c]`, 0 for padding; c must be known.
        mask: bool `[B, n]`, true for tokens: only these are part of the batch statistics.

    Returns:
        `[B, n, units]`.

    Example:

    >>> PooledCharCNN(vocabulary_size=30)(np.array([[[2, 3, 0]]])).shape
    TensorShape([1, 1, 50])

    Reference:
        Zhang et al., "Adaptive co-attention network for named entity recognition in tweets", AAAI 2018.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int = 30,
        filters: int = 32,
        kernel_sizes: tuple[int, ...] = (2, 3, 4),
        hidden_units: int = 100,
        units: int = 50,
        dropout: float = 0.25,
        **kwargs,
    ) -> None:
        check_count("vocabulary_size", vocabulary_size)
        check_count("embedding_dim", embedding_dim)
        check_count("filters", filters)
        for size in kernel_sizes:
            check_count("kernel_sizes", size)
        check_count("hidden_units", hidden_units)
        check_count("units", units)
        check_rate("dropout", dropout)
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.filters = filters
        self.kernel_sizes = tuple(kernel_sizes)
        self.hidden_units = hidden_units
        self.units = units
        policy = self.dtype_policy
        self.embedding = keras.layers.Embedding(vocabulary_size, embedding_dim, dtype=policy)
        self.convolutions = [
            keras.layers.Conv1D(filters, size, padding="same", activation="relu", dtype=policy)
            for size in self.kernel_sizes
        ]
        self.pool = keras.layers.MaxPooling1D(2, padding="same", dtype=policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)
        # Moving statistics that adapt within tens of steps: a small corpus has no more per epoch.
        self.norm = keras.layers.BatchNormalization(momentum=0.9, dtype=policy)
        self.inner = keras.layers.Dense(hidden_units, activation="relu", dtype=policy)
        self.outer = keras.layers.Dense(units, dtype=policy)

    def build(self, char_ids_shape) -> None:
        length, width = char_ids_shape[-1], self.embedding_dim
        self.embedding.build((None, length))
        for convolution in self.convolutions:
            convolution.build((None, length, width))
            length, width = -(-length // 2), self.filters
        self.width = length * width
        self.norm.build((None, None, self.width))
        self.inner.build((None, None, self.width))
        self.outer.build((None, None, self.hidden_units))

    def call(self, char_ids, mask=None, training=None):
        check_mask("mask", mask, "char_ids", char_ids)
        ids = ops.reshape(char_ids, (-1, char_ids.shape[-1]))  # [B * n, c]
        features = self.embedding(ids)
        features = ops.where((ids > 0)[..., None], features, ops.zeros_like(features))
        for convolution in self.convolutions:
            features = self.dropout(self.pool(convolution(features)), training=training)
        features = ops.reshape(features, (-1, ops.shape(char_ids)[1], self.width))
        features = self.norm(features, mask=mask, training=training)
        return self.outer(self.dropout(self.inner(features), training=training))

    def compute_output_shape(self, char_ids_shape):
        return (*char_ids_shape[:-1], self.units)
