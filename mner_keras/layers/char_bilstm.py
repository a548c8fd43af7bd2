"""`CharBiLSTM`: token vectors from characters by a bidirectional LSTM."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.bilstm import BiLSTM
from mner_keras.layers.checks import check_count, check_rate
from mner_keras.layers.kernels import has_kernel


@keras.saving.register_keras_serializable(package="mner_keras")
class CharBiLSTM(keras.layers.Layer):
    """Encode each token by the last states of a bidirectional LSTM over its characters.

    Equation (AGBAN eq. 2): `x^c = [h_forward(m); h_backward(1)]`.

    Args:
        vocabulary_size: rows of the character table; row 0 pads.
        embedding_dim: width of a character's vector, initialised uniformly within `sqrt(3 / embedding_dim)`.
        units: width of a word's vector, half of it per direction.
        dropout: rate on the characters' vectors.

    Call arguments:
        char_ids: int32 `[B, n, c]`, 0 for padding.

    Returns:
        `[B, n, units]`, zeros for a token without characters.

    Example:

    >>> CharBiLSTM(vocabulary_size=30)(np.array([[[2, 3, 0]]])).shape
    TensorShape([1, 1, 50])

    Reference:
        Lample et al., "Neural architectures for named entity recognition", NAACL 2016.
    """

    def __init__(
        self, vocabulary_size: int, embedding_dim: int = 30, units: int = 50, dropout: float = 0.0, **kwargs
    ) -> None:
        check_count("vocabulary_size", vocabulary_size)
        check_count("embedding_dim", embedding_dim)
        check_rate("dropout", dropout)
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.units = units
        self.rate = dropout
        limit = (3 / embedding_dim) ** 0.5
        self.embedding = keras.layers.Embedding(
            vocabulary_size,
            embedding_dim,
            embeddings_initializer=keras.initializers.RandomUniform(-limit, limit),
            dtype=self.dtype_policy,
        )
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.lstm = BiLSTM(units, return_sequences=False, dtype=self.dtype_policy)

    def build(self, input_shape) -> None:
        self.embedding.build((None, input_shape[-1]))
        self.lstm.build((None, input_shape[-1], self.embedding_dim))

    def call(self, char_ids, training=None):
        shape = ops.shape(char_ids)
        ids = ops.reshape(char_ids, (-1, char_ids.shape[-1]))  # [B * n, c]
        if has_kernel("tensorflow", self.compute_dtype):
            from mner_keras.layers import lstm_tensorflow

            # Padding is neither looked up nor dropped out.
            packed = lstm_tensorflow.pack(ids > 0)
            vectors = self.embedding(ops.take(ops.reshape(ids, (-1,)), packed[0], axis=0))
            vectors = self.dropout(vectors, training=training)
            states = lstm_tensorflow.last_states(vectors, packed, ops.shape(ids)[0], self.lstm.kernel_weights)
        else:
            vectors = self.dropout(self.embedding(ids), training=training)
            states = self.lstm(vectors, mask=ids > 0, training=training)
        return ops.reshape(states, (-1, shape[1], self.units))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "dropout": self.rate,
        }
