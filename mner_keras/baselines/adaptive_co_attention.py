"""`AdaptiveCoAttention`: attention from each word to the picture, and from the picture to the text."""

from typing import Literal

import keras
from keras import ops

from mner_keras.baselines.guided_attention import GuidedAttention
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, crf_outputs, word_embedding
from mner_keras.layers import BiLSTM
from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import Count, Rate, TwoWay, check_arguments
from mner_keras.tagger import Tagger
from mner_keras.vision.visual_input import VGG16_REGIONS


@keras.saving.register_keras_serializable(package="mner_keras")
class PooledCharCNN(BaseLayer):
    """Encode each token by embedded characters, three pooled convolutions and two dense layers (`AdaptiveCoAttention`).

    Each convolution is followed by relu, the maximum over each two neighbours, and dropout; then batch normalisation
    over the valid tokens, a dense layer with relu, dropout, and a dense layer. Stacking the convolutions, and padding
    them so that words of any length pass, is our reading.

    Args:
        vocabulary_size, embedding_dim: see `CharCNN`.
        filters: filters of each convolution.
        kernel_sizes: characters that the filters of each convolution see.
        hidden_units: width of the inner dense layer.
        units: width of a word's vector.
        dropout: rate after each convolution and after the inner dense layer.

    Call arguments:
        char_ids: int32 `[B, n, c]`, 0 for padding; c must be known.
        mask: bool `[B, n]`, true for tokens: only these are part of the batch statistics.

    Returns:
        `[B, n, units]`.
    """

    def __init__(
        self,
        vocabulary_size: Count,
        embedding_dim: Count = 30,
        filters: Count = 32,
        kernel_sizes: tuple[Count, ...] = (2, 3, 4),
        hidden_units: Count = 100,
        units: Count = 50,
        dropout: Rate = 0.25,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.embedding = keras.layers.Embedding(vocabulary_size, embedding_dim, dtype=policy)
        self.convolutions = [
            keras.layers.Conv1D(filters, size, padding="same", activation="relu", dtype=policy)
            for size in self.kernel_sizes
        ]
        self.pool = keras.layers.MaxPooling1D(2, padding="same", dtype=policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)
        # Moving statistics that adapt within tens of steps: a small corpus has no more per epoch.
        self.norm = keras.layers.BatchNormalization(momentum=0.9, dtype=policy)
        self.inner = keras.layers.Dense(hidden_units, activation="relu", dtype=policy)
        self.outer = keras.layers.Dense(units, dtype=policy)

    def build(self, char_ids_shape) -> None:
        length, width = char_ids_shape[-1], self.embedding_dim
        self.embedding.build((None, length))
        for convolution in self.convolutions:
            convolution.build((None, length, width))
            length, width = -(-length // 2), self.filters
        self.width = length * width
        self.norm.build((None, None, self.width))
        self.inner.build((None, None, self.width))
        self.outer.build((None, None, self.hidden_units))

    def call(self, char_ids, mask=None, training=None):
        ids = ops.reshape(char_ids, (-1, char_ids.shape[-1]))  # [B * n, c]
        features = self.embedding(ids)
        features = ops.where((ids > 0)[..., None], features, ops.zeros_like(features))
        for convolution in self.convolutions:
            features = self.dropout(self.pool(convolution(features)), training=training)
        features = ops.reshape(features, (-1, ops.shape(char_ids)[1], self.width))
        features = self.norm(features, mask=mask, training=training)
        return self.outer(self.dropout(self.inner(features), training=training))

    def compute_output_shape(self, char_ids_shape):
        return (*char_ids_shape[:-1], self.units)


@keras.saving.register_keras_serializable(package="mner_keras")
class GatedFusion(BaseLayer):
    """Mix a visual and a textual vector of each token (`AdaptiveCoAttention`).

    `p = tanh(W v + b)`, `q = tanh(W' h + b')`, `m = g p + (1 - g) q` with one number per token `g = sigmoid(w . [p;
    q])`. This is the paper's form; a public implementation adds p and q in the gate, and projects `[g p; (1 - g) q]`.

    Args:
        units: width of p, q and m.

    Call arguments:
        visual: the attended picture, `[B, n, d]`.
        textual: the attended text, `[B, n, d']`.
        return_gate: whether to return g as well.

    Returns:
        m, `[B, n, units]`; with `return_gate` also g, `[B, n, 1]`.
    """

    def __init__(self, units: Count, **kwargs) -> None:
        super().__init__(**kwargs)

    def build(self, visual_shape, textual_shape) -> None:
        self.visual_projection = self.add_dense(self.units, visual_shape, activation="tanh")
        self.textual_projection = self.add_dense(self.units, textual_shape, activation="tanh")
        self.gate = self.add_dense(1, (None, None, 2 * self.units), activation="sigmoid", use_bias=False)

    def call(self, visual, textual, return_gate=False):
        p, q = self.visual_projection(visual), self.textual_projection(textual)
        gate = self.gate(ops.concatenate([p, q], axis=-1))
        output = gate * p + (1 - gate) * q
        return (output, gate) if return_gate else output


@keras.saving.register_keras_serializable(package="mner_keras")
class FiltrationGate(BaseLayer):
    """Filter the fused features of each token by its text features (`AdaptiveCoAttention`).

    `s = sigmoid(W h + U m + b)`, `u = s * tanh(W' m + b')`. The gate is one number per feature; a public implementation
    makes it one number per token, from the fused features alone.

    Args:
        units: width of the gate and of the output.

    Call arguments:
        text: h, `[B, n, d]`.
        fused: m, `[B, n, d']`.
        return_gate: whether to return s as well.

    Returns:
        u, `[B, n, units]`; with `return_gate` also s, of the same shape.
    """

    def __init__(self, units: Count, **kwargs) -> None:
        super().__init__(**kwargs)

    def build(self, text_shape, fused_shape) -> None:
        self.text_gate = self.add_dense(self.units, text_shape)
        self.fused_gate = self.add_dense(self.units, fused_shape, use_bias=False)
        self.projection = self.add_dense(self.units, fused_shape, activation="tanh")

    def call(self, text, fused, return_gate=False):
        gate = ops.sigmoid(self.text_gate(text) + self.fused_gate(fused))
        output = gate * self.projection(fused)
        return (output, gate) if return_gate else output


@keras.saving.register_keras_serializable(package="mner_keras")
class AdaptiveCoAttention(Tagger):
    """Adaptive co-attention network.

    A BiLSTM reads the words, convolutions their characters, a second BiLSTM both, `h_t`. `v_i` are projected regions.

    - visual attention `v^_t` of `h_t` to v, and textual attention `h^_t` of `v^_t` to h (`GuidedAttention`);
    - gated multimodal fusion of `v^_t` and `h^_t` into `m_t` (`GatedFusion`);
    - filtration of `m_t` by `h_t` into `u_t` (`FiltrationGate`);
    - potentials from `[h_t; u_t]`, CRF.

    The paper is not available; these are its formulas as reported by others. With the concatenation as given, a softmax
    cancels the guide's part, so that all words of a post have the same attention to the picture; `score="joint"` adds
    the two inside the tanh, so that attention differs by word. The character network's order, padding and normalisation
    are our reading. Keras' RMSprop diverges with the paper's rate of 0.19: `mner train` uses 0.001. The original cuts
    posts at 35 tokens; this model does not.

    Args:
        preprocessor, word_dim, loss_reduction: see `HSN`.
        char_dim, char_filters, char_hidden_dim, char_units, dropout: `embedding_dim`, `filters`, `hidden_units`,
            `units` and `dropout` of `PooledCharCNN`.
        hidden_dim: width of each BiLSTM; half of it per direction.
        fusion_dim: width of v, of the attentions' hidden layers, of m and of u.
        score: `"concatenate"` as given, or `"joint"`; see `GuidedAttention`.

    Reference:
        Zhang, Fu, Liu & Huang, "Adaptive co-attention network for named entity recognition in tweets", AAAI 2018.
    """

    preprocessing = {"use_pos": False, "visual": VGG16_REGIONS, "max_characters": 30}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: Count | None = None,
        char_dim: Count = 30,
        char_filters: Count = 32,
        char_hidden_dim: Count = 100,
        char_units: Count = 50,
        hidden_dim: TwoWay = 400,
        fusion_dim: Count = 200,
        score: Literal["concatenate", "joint"] = "concatenate",
        dropout: Rate = 0.25,
        loss_reduction: str = "mean",
        name: str = "adaptive_co_attention",
    ) -> None:
        check_arguments(AdaptiveCoAttention.__init__, self._arguments)
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
