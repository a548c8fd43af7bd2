"""`AdaptiveCoAttention`: attention from each word to the picture, and from the picture to the text."""

from __future__ import annotations

import keras

from mner_keras.baselines.layers import FiltrationGate, GatedFusion, GuidedAttention, PooledCharCNN
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, crf_outputs, word_embedding
from mner_keras.layers import BiLSTM
from mner_keras.layers.checks import check_choice, check_rate, check_widths
from mner_keras.tagger import Tagger
from mner_keras.vision.visual_input import VGG16_REGIONS


@keras.saving.register_keras_serializable(package="mner_keras")
class AdaptiveCoAttention(Tagger):
    """Adaptive co-attention network.

    A BiLSTM reads the words, convolutions read their characters, and a second BiLSTM reads both, `h_t`. Regions are
    projected to `v_i`. Then

    - word-guided visual attention: `a_t = softmax_i(w . [tanh(W v_i); tanh(W h_t + b)])`, `v^_t = sum_i a_ti v_i`;
    - image-guided textual attention: `b_t = softmax_j(w . [tanh(W h_j); tanh(W v^_t + b)])`, `h^_t = sum_j b_tj h_j`;
    - gated multimodal fusion of `v^_t` and `h^_t` into `m_t` (`GatedFusion`);
    - filtration gate: `u_t = s_t * tanh(W m_t + b)`, `s_t = sigmoid(W h_t + W m_t + b)` (`FiltrationGate`);
    - potentials from `[h_t; u_t]`, CRF.

    The paper is not available; these are its formulas as reported by others. With the concatenation as given, a softmax
    cancels the guide's part, so that all words of a post have the same attention to the picture; `score="joint"` adds
    the two inside the tanh, so that attention differs by word. The character network's order, padding and normalisation
    are our reading. Keras' RMSprop diverges with the paper's rate of 0.19: `mner train` uses 0.001. The original cuts
    posts at 35 tokens; this model does not.

    Args:
        word_dim: width of the word vectors; by default that of the pretrained vectors, else 200.
        char_dim: width of the characters' vectors.
        char_filters: filters of each character convolution.
        char_hidden_dim: width of the dense layer after them.
        char_units: width of the characters' part of a token.
        hidden_dim: width of each BiLSTM; half of it per direction.
        fusion_dim: width of v, of the attentions' hidden layers, of m and of u.
        score: how to combine the projections of guide and guided, `"concatenate"` as given, or `"joint"`; see
            `GuidedAttention`.
        dropout: rate within the character network.
        preprocessor, loss_reduction: see `Tagger`.

    Example:

    >>> preprocessor = AdaptiveCoAttention.fit_preprocessor(load_dataset("sample")["train"])
    >>> model = AdaptiveCoAttention(preprocessor)

    Reference:
        Zhang, Fu, Liu & Huang, "Adaptive co-attention network for named entity recognition in tweets", AAAI 2018.
    """

    preprocessing = {"use_pos": False, "visual": VGG16_REGIONS, "max_characters": 30}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: int | None = None,
        char_dim: int = 30,
        char_filters: int = 32,
        char_hidden_dim: int = 100,
        char_units: int = 50,
        hidden_dim: int = 400,
        fusion_dim: int = 200,
        score: str = "concatenate",
        dropout: float = 0.25,
        loss_reduction: str = "mean",
        name: str = "adaptive_co_attention",
    ) -> None:
        check_widths(
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
        inputs = batch_inputs(preprocessor)
        token_mask, region_mask = inputs["token_mask"], inputs["visual_mask"]
        words = word_embedding(preprocessor, word_dim, 200, unknown="uniform")(inputs["word_ids"])
        words = BiLSTM(hidden_dim, name="bilstm")(words, mask=token_mask)
        characters = PooledCharCNN(
            preprocessor.char_vocabulary_size,
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
        # v [B, k, fusion]
        regions = keras.layers.Dense(fusion_dim, name="region_projection")(inputs["visual_features"])
        seen = GuidedAttention(fusion_dim, score, name="visual_attention")(text, regions, value_mask=region_mask)  # v^
        read = GuidedAttention(fusion_dim, score, name="textual_attention")(seen, text, value_mask=token_mask)  # h^
        fused = GatedFusion(fusion_dim, name="fusion")(seen, read)  # m [B, n, fusion]
        filtered = FiltrationGate(fusion_dim, name="filtration")(text, fused)  # u [B, n, fusion]
        features = keras.layers.Concatenate(name="features")([text, filtered])
        outputs = crf_outputs(preprocessor, features, token_mask)
        super().__init__(inputs, outputs, preprocessor, loss_reduction, name=name)
