"""`BiLSTMCRF`: character BiLSTM, BiLSTM and CRF; no picture."""

from __future__ import annotations

from typing import Any

import keras

from mner_keras.baselines.inputs import check_widths, token_inputs
from mner_keras.baselines.layers import SingletonDropout
from mner_keras.data.encoder import PostEncoder
from mner_keras.layers import CRF, BiLSTM, CharBiLSTM, WordEmbedding
from mner_keras.layers.checks import check_rate
from mner_keras.tagger import Tagger


@keras.saving.register_keras_serializable(package="mner_keras")
class BiLSTMCRF(Tagger):
    """Words and their characters, read by a BiLSTM, pass another BiLSTM; a linear layer and a CRF read the tags.

    `x_t = [word_t; last states of BiLSTM(char embeddings of t)]` (the paper's section 4.1), `h = BiLSTM(x)`, a hidden
    layer `c = tanh(W h + b)`, potentials `W c_t + b` (section 2). In training, words that the training posts hold once
    become the unknown word with probability 0.5 (section 4.3). Digits become 0, as the paper has it for English. The
    hidden layer's width, the batch of one post and how the gradients are clipped (here by the norm of all of them) are
    what we take from the authors' program, and uncertain.

    Args:
        num_tags: the number of tags, K.
        vocabulary_size: rows of the trainable word table.
        char_vocabulary_size: rows of the character table.
        frozen_vocabulary_size: rows of the frozen word table.
        num_singletons: how many rows of the trainable word table, the last ones, are words that occur once.
        max_characters: characters of a token in a batch.
        word_dim: width of the word vectors.
        char_dim: width of the characters' vectors.
        char_hidden_dim: width of the character BiLSTM; half of it a direction.
        hidden_dim: width of h; half of it a direction of the BiLSTM, and the hidden layer's width.
        dropout: rate on the token representation.
        unknown_rate: the probability of replacing a word that occurs once.
        encoder: turns posts into batches, and is saved with the model.
        loss_reduction: `"mean"` or `"sum"` over the posts of a batch.

    Example:

    >>> encoder = BiLSTMCRF.fit_encoder(load_dataset("sample")["train"])
    >>> model = BiLSTMCRF.from_encoder(encoder)

    Reference:
        Lample, Ballesteros, Subramanian, Kawakami & Dyer, "Neural architectures for named entity recognition", NAACL
        2016.
    """

    encoder_defaults = {"use_pos": False, "fold_digits": True}

    def __init__(
        self,
        num_tags: int,
        vocabulary_size: int,
        char_vocabulary_size: int,
        frozen_vocabulary_size: int = 0,
        num_singletons: int = 0,
        max_characters: int = 24,
        word_dim: int = 100,
        char_dim: int = 25,
        char_hidden_dim: int = 50,
        hidden_dim: int = 200,
        dropout: float = 0.5,
        unknown_rate: float = 0.5,
        encoder: PostEncoder | None = None,
        loss_reduction: str = "mean",
        name: str = "bilstm_crf",
    ) -> None:
        check_widths(word_dim=word_dim, char_dim=char_dim, char_hidden_dim=char_hidden_dim, hidden_dim=hidden_dim)
        check_rate("dropout", dropout)
        check_rate("unknown_rate", unknown_rate)
        inputs = token_inputs(max_characters)
        token_mask = inputs["token_mask"]
        word_ids = SingletonDropout(vocabulary_size, num_singletons, unknown_rate, name="singleton_dropout")(
            inputs["word_ids"]
        )
        words = WordEmbedding(
            vocabulary_size, word_dim, frozen_vocabulary_size, unknown="uniform", name="word_embedding"
        )(word_ids)
        characters = CharBiLSTM(char_vocabulary_size, char_dim, char_hidden_dim, name="char_bilstm")(inputs["char_ids"])
        tokens = keras.layers.Concatenate(name="token_representation")([words, characters])
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        hidden = BiLSTM(hidden_dim, name="bilstm")(tokens, mask=token_mask)
        hidden = keras.layers.Dense(hidden_dim // 2, activation="tanh", name="hidden")(hidden)
        scores = keras.layers.Dense(num_tags, name="potentials")(hidden)
        potentials = CRF(num_tags, name="crf")(scores, mask=token_mask)
        super().__init__(
            inputs,
            {"potentials": potentials, "mask": token_mask},
            encoder=encoder,
            loss_reduction=loss_reduction,
            name=name,
        )
        self.num_tags = num_tags
        self.vocabulary_size = vocabulary_size
        self.char_vocabulary_size = char_vocabulary_size
        self.frozen_vocabulary_size = frozen_vocabulary_size
        self.num_singletons = num_singletons
        self.max_characters = max_characters
        self.word_dim = word_dim
        self.char_dim = char_dim
        self.char_hidden_dim = char_hidden_dim
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.unknown_rate = unknown_rate

    @classmethod
    def from_encoder(cls, encoder: PostEncoder, **arguments: Any) -> BiLSTMCRF:
        return super().from_encoder(encoder, num_singletons=encoder.num_singletons, **arguments)
