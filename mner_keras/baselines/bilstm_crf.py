"""`BiLSTMCRF`: character BiLSTM, BiLSTM and CRF; text only."""

from __future__ import annotations

import keras

from mner_keras.baselines.layers import SingletonDropout
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, crf_outputs, word_embedding
from mner_keras.layers import BiLSTM, CharBiLSTM
from mner_keras.layers.checks import check_rate, check_widths
from mner_keras.tagger import Tagger


@keras.saving.register_keras_serializable(package="mner_keras")
class BiLSTMCRF(Tagger):
    """Tag words with a BiLSTM over words and character BiLSTMs, a hidden layer and a CRF.

    `x_t = [word_t; last states of BiLSTM(char embeddings of t)]` (the paper's section 4.1), `h = BiLSTM(x)`, a hidden
    layer `c = tanh(W h + b)`, potentials `W c_t + b` (section 2). In training, words that the training posts contain
    once become the unknown word with probability 0.5 (section 4.3). Digits become 0, as in the paper for English.
    The hidden layer's width, the batch of one post and how the gradients are clipped (here by the norm of all of them)
    follow the authors' program, and are uncertain.

    Args:
        word_dim: width of the word vectors; by default that of the pretrained vectors, else 100.
        char_dim: width of the characters' vectors.
        char_hidden_dim: width of the character BiLSTM; half of it per direction.
        hidden_dim: width of h; half of it per direction of the BiLSTM, and the hidden layer's width.
        dropout: rate on the token representation.
        unknown_rate: the probability of replacing a word that occurs once.
        preprocessor, loss_reduction: see `Tagger`.

    Example:

    >>> preprocessor = BiLSTMCRF.fit_preprocessor(load_dataset("sample")["train"])
    >>> model = BiLSTMCRF(preprocessor)

    Reference:
        Lample, Ballesteros, Subramanian, Kawakami & Dyer, "Neural architectures for named entity recognition", NAACL
        2016.
    """

    preprocessing = {"use_pos": False, "fold_digits": True}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: int | None = None,
        char_dim: int = 25,
        char_hidden_dim: int = 50,
        hidden_dim: int = 200,
        dropout: float = 0.5,
        unknown_rate: float = 0.5,
        loss_reduction: str = "mean",
        name: str = "bilstm_crf",
    ) -> None:
        check_widths(char_dim=char_dim, char_hidden_dim=char_hidden_dim, hidden_dim=hidden_dim)
        check_rate("dropout", dropout)
        check_rate("unknown_rate", unknown_rate)
        inputs = batch_inputs(preprocessor)
        token_mask = inputs["token_mask"]
        word_ids = SingletonDropout(
            preprocessor.vocabulary_size, preprocessor.num_singletons, unknown_rate, name="singleton_dropout"
        )(inputs["word_ids"])
        words = word_embedding(preprocessor, word_dim, 100, unknown="uniform")(word_ids)
        characters = CharBiLSTM(preprocessor.char_vocabulary_size, char_dim, char_hidden_dim, name="char_bilstm")(
            inputs["char_ids"]
        )
        tokens = keras.layers.Concatenate(name="token_representation")([words, characters])
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        hidden = BiLSTM(hidden_dim, name="bilstm")(tokens, mask=token_mask)
        hidden = keras.layers.Dense(hidden_dim // 2, activation="tanh", name="hidden")(hidden)
        outputs = crf_outputs(preprocessor, hidden, token_mask)
        super().__init__(inputs, outputs, preprocessor, loss_reduction, name=name)
