"""`CharCNN` and `CharBiLSTM`: token vectors from characters."""

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer
from mner_keras.layers.bilstm import BiLSTM
from mner_keras.layers.checks import Count, Rate, TwoWay
from mner_keras.layers.kernels import has_kernel


class CharEncoder(BaseLayer):
    """Base of both encoders: a table of character vectors, initialised uniformly within `sqrt(3 / dim)`, and dropout.

    A subclass creates its inner layer; its `encode(ids, training)` returns `[tokens, width]` for ids `[tokens, c]`.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        limit, policy = (3 / self.embedding_dim) ** 0.5, self.dtype_policy
        uniform = keras.initializers.RandomUniform(-limit, limit)
        self.embedding = keras.layers.Embedding(
            self.vocabulary_size, self.embedding_dim, embeddings_initializer=uniform, dtype=policy
        )
        self.dropout = keras.layers.Dropout(self.dropout, dtype=policy)

    def call(self, char_ids, training=None):
        tokens = self.encode(ops.reshape(char_ids, (-1, char_ids.shape[-1])), training)  # [B * n, width]
        width = self.compute_output_shape(char_ids.shape)[-1]
        return ops.reshape(tokens, (-1, ops.shape(char_ids)[1], width))

    def vectors(self, ids, training):
        """Return the characters' vectors after dropout."""
        return self.dropout(self.embedding(ids), training=training)


@keras.saving.register_keras_serializable(package="mner_keras")
class CharCNN(CharEncoder):
    """Encode each token by a convolution over its character embeddings and a maximum over the characters.

    Args:
        vocabulary_size: rows of the character table; row 0 pads.
        embedding_dim: width of a character's vector, initialised uniformly within `sqrt(3 / embedding_dim)`.
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
        vocabulary_size: Count,
        embedding_dim: Count = 50,
        filters: Count = 50,
        kernel_size: Count = 3,
        dropout: Rate = 0.0,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.convolution = keras.layers.Conv1D(filters, kernel_size, padding="same", dtype=self.dtype_policy)

    def build(self, input_shape) -> None:
        self.embedding.build((None, input_shape[-1]))
        self.convolution.build((None, input_shape[-1], self.embedding_dim))

    def encode(self, ids, training):
        if has_kernel("tensorflow", self.compute_dtype):
            from mner_keras.layers import kernels_tensorflow

            places, tokens = kernels_tensorflow.pack_characters(ids > 0)
            vectors = self.vectors(ops.take(ops.reshape(ids, (-1,)), places, axis=0), training)
            return kernels_tensorflow.highest_features(
                vectors, tokens, ops.shape(ids)[0], self.convolution.kernel.value, self.convolution.bias.value
            )
        there = (ids > 0)[..., None]
        vectors = self.vectors(ids, training)
        features = self.convolution(ops.where(there, vectors, ops.zeros_like(vectors)))
        features = ops.max(ops.where(there, features, ops.full_like(features, -6e4)), axis=1)
        return ops.where(ops.any(there, axis=1), features, ops.zeros_like(features))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)


@keras.saving.register_keras_serializable(package="mner_keras")
class CharBiLSTM(CharEncoder):
    """Encode each token by the last states of a bidirectional LSTM over its characters.

    Equation (AGBAN eq. 2): `x^c = [h_forward(m); h_backward(1)]`.

    Args:
        vocabulary_size, embedding_dim, dropout: see `CharCNN`.
        units: width of a word's vector, half of it per direction.

    Returns:
        `[B, n, units]`; call argument and example are those of `CharCNN`.

    Reference:
        Lample et al., "Neural architectures for named entity recognition", NAACL 2016.
    """

    def __init__(
        self, vocabulary_size: Count, embedding_dim: Count = 30, units: TwoWay = 50, dropout: Rate = 0.0, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.lstm = BiLSTM(units, return_sequences=False, dtype=self.dtype_policy)

    def build(self, input_shape) -> None:
        self.embedding.build((None, input_shape[-1]))
        self.lstm.build((None, input_shape[-1], self.embedding_dim))

    def encode(self, ids, training):
        if has_kernel("tensorflow", self.compute_dtype):
            from mner_keras.layers import lstm_tensorflow

            # Padding is neither looked up nor dropped out.
            packed = lstm_tensorflow.pack(ids > 0)
            vectors = self.vectors(ops.take(ops.reshape(ids, (-1,)), packed[0], axis=0), training)
            return lstm_tensorflow.last_states(vectors, packed, ops.shape(ids)[0], self.lstm.kernel_weights)
        return self.lstm(self.vectors(ids, training), mask=ids > 0, training=training)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)
