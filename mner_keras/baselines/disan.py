"""`Disan`: directional self-attention within the text, its alignment seeing the picture."""

from __future__ import annotations

import keras

from mner_keras.baselines.inputs import RegionTagger, check_widths, region_inputs, token_inputs
from mner_keras.baselines.layers import DirectionalSelfAttention, GuidedAttention
from mner_keras.data.encoder import PostEncoder
from mner_keras.layers import CRF, BiLSTM, CharCNN, WordEmbedding
from mner_keras.layers.checks import check_rate


@keras.saving.register_keras_serializable(package="mner_keras")
class Disan(RegionTagger):
    """Multi-dimensional directional self-attention between words, with the picture in the alignment.

    `h = BiLSTM([word; characters; part of speech])`; each token attends to the picture's regions, `v^_t`
    (`GuidedAttention`, joint score); for each feature of its own it attends to the tokens before it, and to those after
    it, in the light of `v^_t` (`DirectionalSelfAttention`); a linear layer and a CRF read the tags off both results.

    The paper is not at hand: how `v^` comes about, the widths but for the word vectors' 300, the optimiser and the
    dropout are our reading.

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
        hidden_dim: width of h; half of it a direction of the BiLSTM.
        visual_dim: width of the regions' features.
        attention_dim: width of the hidden layer of the attention to regions, and of the projected regions.
        scale: c of the alignment, `c tanh(. / c)`.
        dropout: rate on the token representation and on h.
        encoder: turns posts into batches, and is saved with the model.
        loss_reduction: `"mean"` or `"sum"` over the posts of a batch.

    Example:

    >>> encoder = Disan.fit_encoder(load_dataset("sample")["train"])
    >>> model = Disan.from_encoder(encoder)

    Reference:
        Arshad, Gallo, Nawaz & Calefati, "Aiding intra-text representations with visual context for multimodal named
        entity recognition", ICDAR 2019.
    """

    encoder_defaults = {**RegionTagger.encoder_defaults, "use_pos": True}

    def __init__(
        self,
        num_tags: int,
        vocabulary_size: int,
        char_vocabulary_size: int,
        frozen_vocabulary_size: int = 0,
        pos_vocabulary_size: int = 11,
        max_characters: int = 24,
        word_dim: int = 300,
        char_dim: int = 50,
        pos_dim: int = 50,
        hidden_dim: int = 200,
        visual_dim: int = 512,
        attention_dim: int = 200,
        scale: float = 5.0,
        dropout: float = 0.5,
        encoder: PostEncoder | None = None,
        loss_reduction: str = "mean",
        name: str = "disan",
    ) -> None:
        check_widths(
            word_dim=word_dim, char_dim=char_dim, pos_dim=pos_dim, hidden_dim=hidden_dim, attention_dim=attention_dim
        )
        check_rate("dropout", dropout)
        # === Text ===
        inputs = {**token_inputs(max_characters), **region_inputs(visual_dim)}
        inputs["pos_ids"] = keras.Input((None,), dtype="int32", name="pos_ids")
        token_mask = inputs["token_mask"]
        words = WordEmbedding(
            vocabulary_size, word_dim, frozen_vocabulary_size, unknown="uniform", name="word_embedding"
        )(inputs["word_ids"])
        characters = CharCNN(char_vocabulary_size, char_dim, char_dim, name="char_cnn")(inputs["char_ids"])
        pos = keras.layers.Embedding(pos_vocabulary_size, pos_dim, name="pos_embedding")(inputs["pos_ids"])
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
        scores = keras.layers.Dense(num_tags, name="potentials")(features)
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
        self.pos_vocabulary_size = pos_vocabulary_size
        self.max_characters = max_characters
        self.word_dim = word_dim
        self.char_dim = char_dim
        self.pos_dim = pos_dim
        self.hidden_dim = hidden_dim
        self.visual_dim = visual_dim
        self.attention_dim = attention_dim
        self.scale = scale
        self.dropout = dropout
