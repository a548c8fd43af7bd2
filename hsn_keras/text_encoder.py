"""HSN's text feature extractor, as a functional graph over the batch keys."""

from __future__ import annotations

import keras

from mner_keras.layers import BiLSTM, CharCNN, Highway, WordEmbedding


def text_inputs(max_characters: int) -> dict[str, keras.KerasTensor]:
    """The inputs of the text side, by batch key."""
    return {
        "word_ids": keras.Input((None,), dtype="int32", name="word_ids"),
        "char_ids": keras.Input((None, max_characters), dtype="int32", name="char_ids"),
        "pos_ids": keras.Input((None,), dtype="int32", name="pos_ids"),
        "token_mask": keras.Input((None,), dtype="bool", name="token_mask"),
    }


def text_features(
    inputs: dict[str, keras.KerasTensor],
    vocabulary_size: int,
    frozen_vocabulary_size: int,
    char_vocabulary_size: int,
    pos_vocabulary_size: int,
    word_dim: int,
    char_dim: int,
    pos_dim: int,
    hidden_dim: int,
    dropout: float,
) -> keras.KerasTensor:
    """H, `[B, n, hidden_dim]` (HSN section 3.2.1).

    `x = [x^word; x^char; x^pos]`, `h~ = tanh(Highway(x))` (eq. 5), `H = BiLSTM(h~)` (eq. 6), with dropout on x and H.
    """
    words = WordEmbedding(vocabulary_size, word_dim, frozen_vocabulary_size, name="word_embedding")(inputs["word_ids"])
    characters = CharCNN(char_vocabulary_size, char_dim, char_dim, name="char_cnn")(inputs["char_ids"])
    pos = keras.layers.Embedding(pos_vocabulary_size, pos_dim, name="pos_embedding")(inputs["pos_ids"])
    tokens = keras.layers.Concatenate(name="token_representation")([words, characters, pos])
    tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
    tokens = keras.layers.Activation("tanh", name="token_tanh")(Highway(name="highway")(tokens))
    hidden = BiLSTM(hidden_dim, name="bilstm")(tokens, mask=inputs["token_mask"])
    return keras.layers.Dropout(dropout, name="text_dropout")(hidden)
