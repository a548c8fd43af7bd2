"""`WordEmbedding`: word vectors, trainable for the training posts' words and frozen for the rest."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_choice, check_count


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
            the vectors loaded, else `1 / sqrt(dim)`; HSN section 4.3) or `"uniform"` (within `sqrt(3 / dim)`; AGBAN
            section IV-A).

    Call arguments:
        word_ids: int32 `[B, n]`.

    Returns:
        `[B, n, dim]`.

    Example:

    >>> WordEmbedding(vocabulary_size=10, dim=4)(np.array([[2, 3]])).shape
    TensorShape([1, 2, 4])
    """

    def __init__(
        self, vocabulary_size: int, dim: int, frozen_vocabulary_size: int = 0, unknown: str = "normal", **kwargs
    ) -> None:
        check_count("vocabulary_size", vocabulary_size)
        check_count("dim", dim)
        check_count("frozen_vocabulary_size", frozen_vocabulary_size, 0)
        check_choice("unknown", unknown, ("normal", "uniform"))
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.dim = dim
        self.frozen_vocabulary_size = frozen_vocabulary_size
        self.unknown = unknown

    def build(self, input_shape=None) -> None:
        self.table = self.add_weight(
            name="table",
            shape=(self.vocabulary_size, self.dim),
            initializer=self._initializer(self.dim**-0.5),
            autocast=False,
        )
        if self.frozen_vocabulary_size:
            self.frozen_table = self.add_weight(
                name="frozen_table",
                shape=(self.frozen_vocabulary_size, self.dim),
                initializer="zeros",
                trainable=False,
                autocast=False,
            )

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
        vectors = _rows(self.table, ops.where(trained, word_ids, 0))
        if self.frozen_vocabulary_size:
            frozen = _rows(self.frozen_table, ops.where(trained, 0, word_ids - self.vocabulary_size))
            vectors = ops.where(trained[..., None], vectors, frozen)
        return ops.cast(vectors, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.dim)

    def _initializer(self, deviation: float):
        if self.unknown == "normal":
            return keras.initializers.RandomNormal(stddev=deviation)
        limit = (3 / self.dim) ** 0.5
        return keras.initializers.RandomUniform(-limit, limit)


def _rows(table, ids):
    if keras.backend.backend() == "tensorflow":
        from mner_keras.layers.rows_tensorflow import gather

        return gather(table.value, ids)
    return ops.take(table, ids, axis=0)
