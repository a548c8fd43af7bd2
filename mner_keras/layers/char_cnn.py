"""`CharCNN`: token vectors from characters by a convolution."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.checks import check_count, check_rate
from mner_keras.layers.kernels import has_kernel


@keras.saving.register_keras_serializable(package="mner_keras")
class CharCNN(keras.layers.Layer):
    """Encode each token by a convolution over its character embeddings and a maximum over the characters.

    Args:
        vocabulary_size: rows of the character table; row 0 pads.
        embedding_dim: width of a character's vector.
        filters: width of a word's vector.
        kernel_size: characters that a filter sees.
        dropout: rate on the characters' vectors.

    Call arguments:
        char_ids: int32 `[B, n, c]`, 0 for padding.

    Returns:
        `[B, n, filters]`, zeros for a token without characters.

    Example:

    >>> CharCNN(vocabulary_size=30)(np.array([[[2, 3, 0]]])).shape
    TensorShape([1, 1, 50])

    Reference:
        Ma & Hovy, "End-to-end sequence labeling via bi-directional LSTM-CNNs-CRF", ACL 2016.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int = 50,
        filters: int = 50,
        kernel_size: int = 3,
        dropout: float = 0.0,
        **kwargs,
    ) -> None:
        check_count("vocabulary_size", vocabulary_size)
        check_count("embedding_dim", embedding_dim)
        check_count("filters", filters)
        check_count("kernel_size", kernel_size)
        check_rate("dropout", dropout)
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.filters = filters
        self.kernel_size = kernel_size
        self.rate = dropout
        limit = (3 / embedding_dim) ** 0.5
        self.embedding = keras.layers.Embedding(
            vocabulary_size,
            embedding_dim,
            embeddings_initializer=keras.initializers.RandomUniform(-limit, limit),
            dtype=self.dtype_policy,
        )
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.convolution = keras.layers.Conv1D(filters, kernel_size, padding="same", dtype=self.dtype_policy)

    def build(self, input_shape) -> None:
        self.embedding.build((None, input_shape[-1]))
        self.convolution.build((None, input_shape[-1], self.embedding_dim))

    def call(self, char_ids, training=None):
        shape = ops.shape(char_ids)
        ids = ops.reshape(char_ids, (-1, char_ids.shape[-1]))  # [B * n, c]
        if has_kernel("tensorflow", self.compute_dtype):
            from mner_keras.layers import char_cnn_tensorflow

            places, tokens = char_cnn_tensorflow.pack(ids > 0)
            vectors = self.embedding(ops.take(ops.reshape(ids, (-1,)), places, axis=0))
            vectors = self.dropout(vectors, training=training)
            features = char_cnn_tensorflow.highest_features(
                vectors, tokens, ops.shape(ids)[0], self.convolution.kernel.value, self.convolution.bias.value
            )
            return ops.reshape(features, (-1, shape[1], self.filters))
        there = (ids > 0)[..., None]
        vectors = self.dropout(self.embedding(ids), training=training)
        vectors = ops.where(there, vectors, ops.zeros_like(vectors))
        features = self.convolution(vectors)
        features = ops.max(ops.where(there, features, ops.full_like(features, -6e4)), axis=1)
        features = ops.where(ops.any(there, axis=1), features, ops.zeros_like(features))
        return ops.reshape(features, (-1, shape[1], self.filters))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "embedding_dim": self.embedding_dim,
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dropout": self.rate,
        }
