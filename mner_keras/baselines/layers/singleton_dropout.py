"""`SingletonDropout`: replaces rare words by the unknown word at random, so that its vector is trained."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_count, check_rate

UNKNOWN = 1


@keras.saving.register_keras_serializable(package="mner_keras")
class SingletonDropout(BaseLayer):
    """Replace words that occur once by the unknown word with some probability, in training.

    Args:
        vocabulary_size: rows of the trainable word table, most frequent words first.
        num_singletons: the number of words, the last ones, that occur once.
        rate: the probability of a replacement.

    Call arguments:
        word_ids: int32 `[B, n]`.

    Returns:
        int32 `[B, n]`; the input itself outside of training.

    Example:

    >>> SingletonDropout(vocabulary_size=10, num_singletons=3)(np.array([[2, 9]])).shape
    TensorShape([1, 2])

    Reference:
        Lample et al., "Neural architectures for named entity recognition", NAACL 2016, section 4.3.
    """

    def __init__(self, vocabulary_size: int, num_singletons: int, rate: float = 0.5, **kwargs) -> None:
        check_count("vocabulary_size", vocabulary_size)
        check_count("num_singletons", num_singletons, 0)
        check_rate("rate", rate)
        if num_singletons > vocabulary_size:
            raise ValueError(
                f"`num_singletons` must be at most `vocabulary_size`, {vocabulary_size}. "
                f"Received: num_singletons={num_singletons}"
            )
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.num_singletons = num_singletons
        self.rate = rate
        if rate:
            self.seed_generator = keras.random.SeedGenerator()
        self.built = True

    def call(self, word_ids, training=False):
        if not training or not self.rate:
            return word_ids
        single = (word_ids >= self.vocabulary_size - self.num_singletons) & (word_ids < self.vocabulary_size)
        chosen = keras.random.uniform(ops.shape(word_ids), seed=self.seed_generator, dtype="float32") < self.rate
        return ops.where(single & chosen, ops.full_like(word_ids, UNKNOWN), word_ids)

    def compute_output_spec(self, word_ids, training=False):
        return keras.KerasTensor(word_ids.shape, dtype=word_ids.dtype)
