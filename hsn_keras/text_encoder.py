"""HSN's text feature extractor, as a functional graph over the batch keys."""

from __future__ import annotations

import keras

from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import word_embedding
from mner_keras.layers import BiLSTM, CharCNN, Highway


def text_features(
    preprocessor: PostPreprocessor,
    inputs: dict[str, keras.KerasTensor],
    word_dim: int | None,
    char_dim: int,
    pos_dim: int,
    hidden_dim: int,
    dropout: float,
) -> keras.KerasTensor:
    """Return H, `[B, n, hidden_dim]` (HSN section 3.2.1).

    `x = [x^word; x^char; x^pos]`, `h~ = tanh(Highway(x))` (eq. 5), `H = BiLSTM(h~)` (eq. 6), with dropout on x and H.
    """
    words = word_embedding(preprocessor, word_dim, 200, unknown="normal")(inputs["word_ids"])
    characters = CharCNN(preprocessor.char_vocabulary_size, char_dim, char_dim, name="char_cnn")(inputs["char_ids"])
    pos = keras.layers.Embedding(preprocessor.pos_vocabulary_size, pos_dim, name="pos_embedding")(inputs["pos_ids"])
    tokens = keras.layers.Concatenate(name="token_representation")([words, characters, pos])
    tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
    tokens = keras.layers.Activation("tanh", name="token_tanh")(Highway(name="highway")(tokens))
    hidden = BiLSTM(hidden_dim, name="bilstm")(tokens, mask=inputs["token_mask"])
    return keras.layers.Dropout(dropout, name="text_dropout")(hidden)
