"""`TextTagger`: HSN's text encoder, a dense layer and the CRF; no picture."""

from __future__ import annotations

import keras

from hsn_keras.text_encoder import text_features, text_inputs
from mner_keras.data.encoder import PostEncoder
from mner_keras.layers import CRF
from mner_keras.tagger import Tagger


@keras.saving.register_keras_serializable(package="mner_keras")
class TextTagger(Tagger):
    """What HSN is without a picture: its text features H, read off by a dense layer and the CRF.

    The arguments are those of `hsn_keras.HSN` that concern the text.

    Args:
        num_tags: the number of tags, K.
        vocabulary_size: rows of the trainable word table.
        char_vocabulary_size: rows of the character table.
        frozen_vocabulary_size: rows of the frozen word table.
        pos_vocabulary_size: rows of the table of parts of speech.
        max_characters: characters of a token in a batch.
        word_dim: width of the word vectors.
        char_dim: width of the characters' vectors and of the character convolution.
        pos_dim: width of the vectors of the parts of speech.
        hidden_dim: width of H; half of it a direction of the BiLSTM.
        dropout: rate on the token representation and on H.
        encoder: turns posts into batches, and is saved with the model.
        loss_reduction: `"mean"` or `"sum"` over the posts of a batch.

    Example:

    >>> encoder = TextTagger.fit_encoder(load_dataset("sample")["train"])
    >>> model = TextTagger.from_encoder(encoder)
    """

    encoder_defaults = {"use_pos": True}

    def __init__(
        self,
        num_tags: int,
        vocabulary_size: int,
        char_vocabulary_size: int,
        frozen_vocabulary_size: int = 0,
        pos_vocabulary_size: int = 11,
        max_characters: int = 24,
        word_dim: int = 200,
        char_dim: int = 50,
        pos_dim: int = 50,
        hidden_dim: int = 400,
        dropout: float = 0.5,
        encoder: PostEncoder | None = None,
        loss_reduction: str = "mean",
        name: str = "text",
    ) -> None:
        inputs = text_inputs(max_characters)
        text = text_features(
            inputs,
            vocabulary_size,
            frozen_vocabulary_size,
            char_vocabulary_size,
            pos_vocabulary_size,
            word_dim,
            char_dim,
            pos_dim,
            hidden_dim,
            dropout,
        )
        scores = keras.layers.Dense(num_tags, name="potentials")(text)
        potentials = CRF(num_tags, name="crf")(scores, mask=inputs["token_mask"])
        super().__init__(
            inputs,
            {"potentials": potentials, "mask": inputs["token_mask"]},
            encoder=encoder,
            loss_reduction=loss_reduction,
            name=name,
        )
        self.num_tags = num_tags
        self.vocabulary_size = vocabulary_size
        self.char_vocabulary_size = char_vocabulary_size
        self.frozen_vocabulary_size = frozen_vocabulary_size
        self.pos_vocabulary_size = pos_vocabulary_size
        self.max_characters = max_characters
        self.word_dim = word_dim
        self.char_dim = char_dim
        self.pos_dim = pos_dim
        self.hidden_dim = hidden_dim
        self.dropout = dropout
