"""`WordEmbedding`, `FirstSubwords` and `Highway`: where the vectors of tokens come from, and a layer over them."""

from typing import Literal

import keras
import numpy as np
from keras import ops

from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import Count, Natural
from mner_keras.layers.kernels import gather


@keras.saving.register_keras_serializable(package="mner_keras")
class WordEmbedding(BaseLayer):
    """Look up word vectors in a trainable table and in a frozen one.

    Ids below `vocabulary_size` are rows of the trainable table, the following ids rows of the frozen one. Training all
    vectors of a large file would cost an optimiser step over rows that no training post reads.

    Args:
        vocabulary_size: rows of the trainable table; row 0 is padding, row 1 unknown words.
        dim: width of the vectors.
        frozen_vocabulary_size: rows of the frozen table.
        unknown: initialisation of rows without a pretrained vector: `"normal"` (Gaussian, standard deviation that of
            the vectors loaded, else `1 / sqrt(dim)`; HSN 4.3) or `"uniform"` (within `sqrt(3 / dim)`; AGBAN IV-A).

    Call arguments:
        word_ids: int32 `[B, n]`.

    Returns:
        `[B, n, dim]`.

    Example:

    >>> WordEmbedding(vocabulary_size=10, dim=4)(np.array([[2, 3]])).shape
    TensorShape([1, 2, 4])
    """

    def __init__(
        self,
        vocabulary_size: Count,
        dim: Count,
        frozen_vocabulary_size: Natural = 0,
        unknown: Literal["normal", "uniform"] = "normal",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)

    def build(self, input_shape=None) -> None:
        def table(name, rows, **options):
            return self.add_weight(name=name, shape=(rows, self.dim), autocast=False, **options)

        self.table = table("table", self.vocabulary_size, initializer=self._initializer(self.dim**-0.5))
        if self.frozen_vocabulary_size:
            self.frozen_table = table("frozen_table", self.frozen_vocabulary_size, initializer="zeros", trainable=False)

    def load_vectors(self, rows: np.ndarray, known: np.ndarray, frozen: np.ndarray) -> None:
        """Copy pretrained vectors.

        Args:
            rows: float `[vocabulary_size, dim]`.
            known: bool `[vocabulary_size]`, whether the row is pretrained; the others are initialised.
            frozen: float `[frozen_vocabulary_size, dim]`.
        """
        loaded = np.concatenate([rows[known], frozen])
        drawn = self._initializer(float(loaded.std()) if len(loaded) else self.dim**-0.5)(rows.shape, "float32")
        self.table.assign(np.where(known[:, None], rows, ops.convert_to_numpy(drawn)))
        if self.frozen_vocabulary_size:
            self.frozen_table.assign(frozen)

    def call(self, word_ids):
        trained = word_ids < self.vocabulary_size
        vectors = gather(self.table.value, ops.where(trained, word_ids, 0))
        if self.frozen_vocabulary_size:
            frozen = gather(self.frozen_table.value, ops.where(trained, 0, word_ids - self.vocabulary_size))
            vectors = ops.where(trained[..., None], vectors, frozen)
        return ops.cast(vectors, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.dim)

    def _initializer(self, deviation: float):
        if self.unknown == "normal":
            return keras.initializers.RandomNormal(stddev=deviation)
        limit = (3 / self.dim) ** 0.5
        return keras.initializers.RandomUniform(-limit, limit)


@keras.saving.register_keras_serializable(package="mner_keras")
class FirstSubwords(BaseLayer):
    """Select the vector of each token's first subword.

    Call arguments:
        subwords: `[B, m, d]`.
        firsts: int `[B, n]`, the position of each token's first subword; 0, the position of the start, for none.

    Returns:
        `[B, n, d]`, zeros for a token without a subword.

    Reference:
        Devlin, Chang, Lee & Toutanova, "BERT: pre-training of deep bidirectional transformers for language
        understanding", NAACL 2019, section 5.3.
    """

    def call(self, subwords, firsts):
        firsts = ops.cast(firsts, "int32")[..., None]
        return ops.where(firsts > 0, ops.take_along_axis(subwords, firsts, axis=1), ops.zeros((), subwords.dtype))


@keras.saving.register_keras_serializable(package="mner_keras")
class Highway(BaseLayer):
    """Apply one highway layer.

    Equation: `y = t * relu(W x + b) + (1 - t) * x` with `t = sigmoid(W_t x + b_t)`. `b_t` is initialised to -1, so that
    the layer first carries its input through.

    Call arguments:
        inputs: `[..., d]`.

    Returns:
        `[..., d]`.

    Example:

    >>> Highway()(np.ones((2, 5, 8))).shape
    TensorShape([2, 5, 8])

    Reference:
        Srivastava, Greff & Schmidhuber, "Highway networks", 2015; HSN eq. 5.
    """

    def build(self, input_shape) -> None:
        carried = keras.initializers.Constant(-1.0)
        self.transform = self.add_dense(input_shape[-1], input_shape, activation="relu")
        self.gate = self.add_dense(input_shape[-1], input_shape, activation="sigmoid", bias_initializer=carried)

    def call(self, inputs):
        gate = self.gate(inputs)
        return gate * self.transform(inputs) + (1 - gate) * inputs

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_mask(self, inputs, previous_mask=None):
        return previous_mask
