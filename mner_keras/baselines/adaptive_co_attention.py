"""`AdaptiveCoAttention`: each word looks at the picture, and the picture back at the text."""

from __future__ import annotations

import keras

from mner_keras.baselines.inputs import RegionTagger, check_widths, region_inputs, token_inputs
from mner_keras.baselines.layers import FiltrationGate, GatedFusion, GuidedAttention, PooledCharCNN
from mner_keras.data.encoder import PostEncoder
from mner_keras.layers import CRF, BiLSTM, WordEmbedding
from mner_keras.layers.checks import check_choice, check_rate


@keras.saving.register_keras_serializable(package="mner_keras")
class AdaptiveCoAttention(RegionTagger):
    """Adaptive co-attention network.

    Words pass a BiLSTM, their characters convolutions; both together pass a second BiLSTM, `h_t`. Regions are projected
    to `v_i`. Then

    - word-guided visual attention: `a_t = softmax_i(w . [tanh(W v_i); tanh(W h_t + b)])`, `v^_t = sum_i a_ti v_i`;
    - image-guided textual attention: `b_t = softmax_j(w . [tanh(W h_j); tanh(W v^_t + b)])`, `h^_t = sum_j b_tj h_j`;
    - gated multimodal fusion of `v^_t` and `h^_t` into `m_t` (`GatedFusion`);
    - filtration gate: `u_t = s_t * tanh(W m_t + b)`, `s_t = sigmoid(W h_t + W m_t + b)` (`FiltrationGate`);
    - potentials from `[h_t; u_t]`, CRF.

    The paper is not at hand; these are its formulas as others report them. With the concatenation as given, a softmax
    takes the guide's part away again, so that all words of a post see the picture alike; `score="joint"` adds the two
    inside the tanh, and each word has a look of its own. The character network's order, padding and normalisation are
    our reading. With the paper's rate of 0.19 Keras' RMSprop diverges: `mner train` takes 0.001. The original cuts
    posts at 35 tokens; this does not.

    Args:
        num_tags: the number of tags, K.
        vocabulary_size: rows of the trainable word table.
        char_vocabulary_size: rows of the character table.
        frozen_vocabulary_size: rows of the frozen word table.
        max_characters: characters of a token in a batch.
        word_dim: width of the word vectors.
        char_dim: width of the characters' vectors.
        char_filters: filters of each character convolution.
        char_hidden_dim: width of the dense layer behind them.
        char_units: width of the characters' part of a token.
        hidden_dim: width of each BiLSTM; half of it a direction.
        visual_dim: width of the regions' features.
        fusion_dim: width of v, of the attentions' hidden layers, of m and of u.
        score: how the projections of guide and guided meet, `"concatenate"` as given, or `"joint"`; see
            `GuidedAttention`.
        dropout: rate within the character network.
        encoder: turns posts into batches, and is saved with the model.
        loss_reduction: `"mean"` or `"sum"` over the posts of a batch.

    Example:

    >>> encoder = AdaptiveCoAttention.fit_encoder(load_dataset("sample")["train"])
    >>> model = AdaptiveCoAttention.from_encoder(encoder)

    Reference:
        Zhang, Fu, Liu & Huang, "Adaptive co-attention network for named entity recognition in tweets", AAAI 2018.
    """

    encoder_defaults = {**RegionTagger.encoder_defaults, "max_characters": 30}

    def __init__(
        self,
        num_tags: int,
        vocabulary_size: int,
        char_vocabulary_size: int,
        frozen_vocabulary_size: int = 0,
        max_characters: int = 30,
        word_dim: int = 200,
        char_dim: int = 30,
        char_filters: int = 32,
        char_hidden_dim: int = 100,
        char_units: int = 50,
        hidden_dim: int = 400,
        visual_dim: int = 512,
        fusion_dim: int = 200,
        score: str = "concatenate",
        dropout: float = 0.25,
        encoder: PostEncoder | None = None,
        loss_reduction: str = "mean",
        name: str = "adaptive_co_attention",
    ) -> None:
        check_widths(
            word_dim=word_dim,
            char_dim=char_dim,
            char_filters=char_filters,
            char_hidden_dim=char_hidden_dim,
            char_units=char_units,
            hidden_dim=hidden_dim,
            fusion_dim=fusion_dim,
        )
        check_rate("dropout", dropout)
        check_choice("score", score, ("concatenate", "joint"))
        # === Text ===
        inputs = {**token_inputs(max_characters), **region_inputs(visual_dim)}
        token_mask, region_mask = inputs["token_mask"], inputs["visual_mask"]
        words = WordEmbedding(
            vocabulary_size, word_dim, frozen_vocabulary_size, unknown="uniform", name="word_embedding"
        )(inputs["word_ids"])
        words = BiLSTM(hidden_dim, name="bilstm")(words, mask=token_mask)
        characters = PooledCharCNN(
            char_vocabulary_size,
            char_dim,
            char_filters,
            hidden_units=char_hidden_dim,
            units=char_units,
            dropout=dropout,
            name="char_cnn",
        )(inputs["char_ids"], mask=token_mask)
        tokens = keras.layers.Concatenate(name="token_representation")([words, characters])
        text = BiLSTM(hidden_dim, name="second_bilstm")(tokens, mask=token_mask)  # h [B, n, d]

        # === Co-attention ===
        regions = keras.layers.Dense(fusion_dim, name="region_projection")(
            inputs["visual_features"]
        )  # v [B, k, fusion]
        seen = GuidedAttention(fusion_dim, score, name="visual_attention")(text, regions, value_mask=region_mask)  # v^
        read = GuidedAttention(fusion_dim, score, name="textual_attention")(seen, text, value_mask=token_mask)  # h^
        fused = GatedFusion(fusion_dim, name="fusion")(seen, read)  # m [B, n, fusion]
        filtered = FiltrationGate(fusion_dim, name="filtration")(text, fused)  # u [B, n, fusion]
        features = keras.layers.Concatenate(name="features")([text, filtered])
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
        self.max_characters = max_characters
        self.word_dim = word_dim
        self.char_dim = char_dim
        self.char_filters = char_filters
        self.char_hidden_dim = char_hidden_dim
        self.char_units = char_units
        self.hidden_dim = hidden_dim
        self.visual_dim = visual_dim
        self.fusion_dim = fusion_dim
        self.score = score
        self.dropout = dropout
