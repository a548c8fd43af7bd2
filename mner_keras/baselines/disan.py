"""`Disan`: directional self-attention within the text, with the picture in its alignment."""

from __future__ import annotations

import keras

from mner_keras.baselines.layers import DirectionalSelfAttention, GuidedAttention
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, crf_outputs, word_embedding
from mner_keras.layers import BiLSTM, CharCNN
from mner_keras.layers.checks import check_rate, check_widths
from mner_keras.tagger import Tagger
from mner_keras.vision.visual_input import VGG16_REGIONS


@keras.saving.register_keras_serializable(package="mner_keras")
class Disan(Tagger):
    """Apply multi-dimensional directional self-attention to words, with the picture in the alignment.

    `h = BiLSTM([word; characters; part of speech])`; each token attends to the picture's regions, `v^_t`
    (`GuidedAttention`, joint score); for each of its features it attends to the tokens before and after it, given
    `v^_t` (`DirectionalSelfAttention`); a linear layer and a CRF predict the tags from both results.

    The paper is not available: the computation of `v^`, the widths except the word vectors' 300, the optimiser and the
    dropout are our reading.

    Args:
        word_dim: width of the word vectors; by default that of the pretrained vectors, else 300.
        char_dim, pos_dim, hidden_dim, dropout: see `HSN`; h is H there.
        attention_dim: width of the hidden layer of the attention to regions, and of the projected regions.
        scale: c of the alignment, `c tanh(. / c)`.
        preprocessor, loss_reduction: see `Tagger`.

    Example:

    >>> preprocessor = Disan.fit_preprocessor(load_dataset("sample")["train"])
    >>> model = Disan(preprocessor)

    Reference:
        Arshad, Gallo, Nawaz & Calefati, "Aiding intra-text representations with visual context for multimodal named
        entity recognition", ICDAR 2019.
    """

    preprocessing = {"use_pos": True, "visual": VGG16_REGIONS}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: int | None = None,
        char_dim: int = 50,
        pos_dim: int = 50,
        hidden_dim: int = 200,
        attention_dim: int = 200,
        scale: float = 5.0,
        dropout: float = 0.5,
        loss_reduction: str = "mean",
        name: str = "disan",
    ) -> None:
        check_widths(char_dim=char_dim, pos_dim=pos_dim, hidden_dim=hidden_dim, attention_dim=attention_dim)
        check_rate("dropout", dropout)
        # === Text ===
        inputs = batch_inputs(preprocessor)
        token_mask = inputs["token_mask"]
        words = word_embedding(preprocessor, word_dim, 300, unknown="uniform")(inputs["word_ids"])
        characters = CharCNN(preprocessor.char_vocabulary_size, char_dim, char_dim, name="char_cnn")(inputs["char_ids"])
        pos = keras.layers.Embedding(preprocessor.pos_vocabulary_size, pos_dim, name="pos_embedding")(inputs["pos_ids"])
        tokens = keras.layers.Concatenate(name="token_representation")([words, characters, pos])
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        text = BiLSTM(hidden_dim, name="bilstm")(tokens, mask=token_mask)
        text = keras.layers.Dropout(dropout, name="text_dropout")(text)  # h [B, n, d]

        # === Picture and self-attention ===
        regions = keras.layers.Dense(attention_dim, name="region_projection")(inputs["visual_features"])
        seen = GuidedAttention(attention_dim, "joint", name="visual_attention")(
            text, regions, value_mask=inputs["visual_mask"]
        )  # v^ [B, n, attention]
        sides = [
            DirectionalSelfAttention(direction, scale, name=f"{direction}_attention")(text, seen, text_mask=token_mask)
            for direction in ("forward", "backward")
        ]
        features = keras.layers.Concatenate(name="features")(sides)  # [B, n, 2d]
        outputs = crf_outputs(preprocessor, features, token_mask)
        super().__init__(inputs, outputs, preprocessor, loss_reduction, name=name)
