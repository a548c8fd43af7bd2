"""`Disan`: directional self-attention within the text, with the picture in its alignment."""

from typing import Literal

import keras
from keras import ops

from mner_keras.baselines.guided_attention import GuidedAttention
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, crf_outputs, word_embedding
from mner_keras.layers import BiLSTM, CharCNN
from mner_keras.layers.base import BaseLayer, full_mask, masked_softmax
from mner_keras.layers.checks import Count, Rate, Strength, TwoWay, check_arguments
from mner_keras.tagger import Tagger
from mner_keras.vision.visual_input import VGG16_REGIONS


@keras.saving.register_keras_serializable(package="mner_keras")
class DirectionalSelfAttention(BaseLayer):
    """Apply multi-dimensional directional self-attention with the picture in its alignment.

    - `f(h_i, h_j) = c tanh((W_1 h_i + W_2 h_j + W_3 v_i + b) / c)`, a vector of the width of h;
    - `p_ij = softmax_j f(h_i, h_j)`, feature by feature, over the valid j before i (`"forward"`) or after i
      (`"backward"`), never i itself;
    - `s_i = sum_j p_ij * h_j`, zero where no such j is;
    - `F = sigmoid(W_4 s_i + W_5 h_i + b)`, and the output `F * h_i + (1 - F) * s_i`.

    Memory is `[B, n, n, d]`.

    Args:
        direction: `"forward"` or `"backward"`.
        scale: c.

    Call arguments:
        text: h, `[B, n, d]`.
        picture: v, each token's attended picture, `[B, n, d']`.
        text_mask: bool `[B, n]`, true for tokens.

    Returns:
        `[B, n, d]`.

    Reference:
        Shen et al., "DiSAN: directional self-attention network for RNN/CNN-free language understanding", AAAI 2018;
        with the picture: `Disan`.
    """

    def __init__(self, direction: Literal["forward", "backward"] = "forward", scale: Strength = 5.0, **kwargs) -> None:
        super().__init__(**kwargs)
        if not scale:
            raise ValueError(f"`scale` must be above 0. Received: scale={scale!r}")

    def build(self, text_shape, picture_shape) -> None:
        width = text_shape[-1]
        self.token_alignment = self.add_dense(width, text_shape)  # W_1, b
        self.other_alignment = self.add_dense(width, text_shape, use_bias=False)  # W_2
        self.picture_alignment = self.add_dense(width, picture_shape, use_bias=False)  # W_3
        self.attended_gate = self.add_dense(width, text_shape)  # W_4, b
        self.token_gate = self.add_dense(width, text_shape, use_bias=False)  # W_5

    def call(self, text, picture, text_mask=None):
        place = ops.arange(ops.shape(text)[1])
        there = place[None] < place[:, None] if self.direction == "forward" else place[None] > place[:, None]
        there = (there & full_mask(text_mask, text)[:, None])[..., None]  # [B, i, j, 1]
        own = self.token_alignment(text) + self.picture_alignment(picture)
        aligned = own[:, :, None] + self.other_alignment(text)[:, None]  # [B, i, j, d]
        weights = masked_softmax(self.scale * ops.tanh(aligned / self.scale), there, axis=2)
        attended = ops.sum(weights * text[:, None], axis=2)
        gate = ops.sigmoid(self.attended_gate(attended) + self.token_gate(text))
        return gate * text + (1 - gate) * attended


@keras.saving.register_keras_serializable(package="mner_keras")
class Disan(Tagger):
    """Apply multi-dimensional directional self-attention to words, with the picture in the alignment.

    `h = BiLSTM([word; characters; part of speech])`; each token attends to the picture's regions, `v^_t`
    (`GuidedAttention`, joint score); for each of its features it attends to the tokens before and after it, given
    `v^_t` (`DirectionalSelfAttention`); a linear layer and a CRF predict the tags from both results.

    The paper is not available: the form of `v^`, all widths but the words' 300, optimiser and dropout are our reading.

    Args:
        preprocessor, word_dim (else 300), char_dim, pos_dim, hidden_dim (of h), dropout, loss_reduction: see `HSN`.
        attention_dim: width of the hidden layer of the attention to regions, and of the projected regions.
        scale: c of the alignment, `c tanh(. / c)`.

    Reference:
        Arshad, Gallo, Nawaz & Calefati, "Aiding intra-text representations with visual context for multimodal named
        entity recognition", ICDAR 2019.
    """

    preprocessing = {"use_pos": True, "visual": VGG16_REGIONS}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: Count | None = None,
        char_dim: Count = 50,
        pos_dim: Count = 50,
        hidden_dim: TwoWay = 200,
        attention_dim: Count = 200,
        scale: Strength = 5.0,
        dropout: Rate = 0.5,
        loss_reduction: str = "mean",
        name: str = "disan",
    ) -> None:
        check_arguments(Disan.__init__, self._arguments)
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
