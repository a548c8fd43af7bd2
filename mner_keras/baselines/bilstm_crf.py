"""`BiLSTMCRF`: character BiLSTM, BiLSTM and CRF; text only."""

import keras
from keras import ops

from mner_keras.data.preprocessor import UNKNOWN, PostPreprocessor
from mner_keras.inputs import batch_inputs, crf_outputs, word_embedding
from mner_keras.layers import BiLSTM, CharBiLSTM
from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import Count, Natural, Rate, TwoWay, check_arguments
from mner_keras.tagger import Tagger


@keras.saving.register_keras_serializable(package="mner_keras")
class SingletonDropout(BaseLayer):
    """Replace words that occur once by the unknown word with some probability, in training (`BiLSTMCRF`).

    Args:
        vocabulary_size: rows of the trainable word table, most frequent words first.
        num_singletons: the number of words, the last ones, that occur once.
        rate: the probability of a replacement.

    Call arguments:
        word_ids: int32 `[B, n]`.

    Returns:
        int32 `[B, n]`; the input itself outside of training.
    """

    def __init__(self, vocabulary_size: Count, num_singletons: Natural, rate: Rate = 0.5, **kwargs) -> None:
        super().__init__(**kwargs)
        if num_singletons > vocabulary_size:
            expected = f"at most `vocabulary_size`, {vocabulary_size}"
            raise ValueError(f"`num_singletons` must be {expected}. Received: num_singletons={num_singletons}")
        if rate:
            self.seed_generator = keras.random.SeedGenerator()
        self.built = True

    def call(self, word_ids, training=False):
        if not training or not self.rate:
            return word_ids
        single = (word_ids >= self.vocabulary_size - self.num_singletons) & (word_ids < self.vocabulary_size)
        chosen = keras.random.uniform(ops.shape(word_ids), seed=self.seed_generator, dtype="float32") < self.rate
        return ops.where(single & chosen, ops.full_like(word_ids, UNKNOWN), word_ids)


@keras.saving.register_keras_serializable(package="mner_keras")
class BiLSTMCRF(Tagger):
    """Tag words with a BiLSTM over words and character BiLSTMs, a hidden layer and a CRF.

    `x_t = [word_t; last states of BiLSTM(char embeddings of t)]` (the paper's section 4.1), `h = BiLSTM(x)`, a hidden
    layer `c = tanh(W h + b)`, potentials `W c_t + b` (section 2). In training, words that the training posts contain
    once become the unknown word with probability 0.5 (section 4.3). Digits become 0, as in the paper for English.
    The hidden layer's width, the batch of one post and how the gradients are clipped (here by the norm of all of them)
    follow the authors' program, and are uncertain.

    Args:
        preprocessor, word_dim (else 100), loss_reduction: see `HSN`.
        char_dim: width of the characters' vectors.
        char_hidden_dim: width of the character BiLSTM; half of it per direction.
        hidden_dim: width of h; half of it per direction of the BiLSTM, and the hidden layer's width.
        dropout: rate on the token representation.
        unknown_rate: the probability of replacing a word that occurs once.

    Reference:
        Lample, Ballesteros, Subramanian, Kawakami & Dyer, "Neural architectures for named entity recognition", NAACL
        2016.
    """

    preprocessing = {"use_pos": False, "fold_digits": True}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: Count | None = None,
        char_dim: Count = 25,
        char_hidden_dim: TwoWay = 50,
        hidden_dim: TwoWay = 200,
        dropout: Rate = 0.5,
        unknown_rate: Rate = 0.5,
        loss_reduction: str = "mean",
        name: str = "bilstm_crf",
    ) -> None:
        check_arguments(BiLSTMCRF.__init__, self._arguments)
        inputs = batch_inputs(preprocessor)
        token_mask = inputs["token_mask"]
        word_ids = SingletonDropout(
            preprocessor.vocabulary_size, preprocessor.num_singletons, unknown_rate, name="singleton_dropout"
        )(inputs["word_ids"])
        words = word_embedding(preprocessor, word_dim, 100, unknown="uniform")(word_ids)
        char_bilstm = CharBiLSTM(preprocessor.char_vocabulary_size, char_dim, char_hidden_dim, name="char_bilstm")
        characters = char_bilstm(inputs["char_ids"])
        tokens = keras.layers.Concatenate(name="token_representation")([words, characters])
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        hidden = BiLSTM(hidden_dim, name="bilstm")(tokens, mask=token_mask)
        hidden = keras.layers.Dense(hidden_dim // 2, activation="tanh", name="hidden")(hidden)
        super().__init__(inputs, crf_outputs(preprocessor, hidden, token_mask), preprocessor, loss_reduction, name=name)
