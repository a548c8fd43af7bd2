"""`VAM`: attention of the sentence to the picture's regions, with a visual gate."""

from typing import Literal

import keras
from keras import ops

from mner_keras.baselines.guided_attention import GuidedAttention
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, crf_outputs, word_embedding
from mner_keras.layers import BiLSTM, CharBiLSTM
from mner_keras.layers.base import BaseLayer, full_mask
from mner_keras.layers.checks import Count, Rate, TwoWay, check_arguments
from mner_keras.tagger import Tagger
from mner_keras.vision.visual_input import VGG16_REGIONS


@keras.saving.register_keras_serializable(package="mner_keras")
class LastStates(BaseLayer):
    """Return the final state of each direction of a BiLSTM: forward at the last token, backward at the first.

    Call arguments:
        states: `[B, n, d]`, the forward half first.
        mask: bool `[B, n]`, true for tokens; the valid tokens come first.

    Returns:
        `[B, 1, d]`, zeros for an empty row.
    """

    def call(self, states, mask=None):
        length = ops.sum(ops.cast(full_mask(mask, states), "int32"), axis=1)[:, None, None]  # [B, 1, 1]
        half = states.shape[-1] // 2
        forward = ops.take_along_axis(states[..., :half], ops.maximum(length - 1, 0), axis=1)
        last = ops.concatenate([forward, states[:, :1, half:]], axis=-1)
        return ops.where(length > 0, last, ops.zeros_like(last))


@keras.saving.register_keras_serializable(package="mner_keras")
class VisualModulation(BaseLayer):
    """Gate a token's features and the picture's contribution to them (`VAM`).

    With separate matrices W, U and biases b in each line, of the width of h:

    - the visual gate `beta_v = sigmoid(W h + U c + b)`;
    - the text's gate `beta_w = sigmoid(W h + U c + b)`;
    - `m = tanh(W h + U c + b)`, and the output `beta_w * h + beta_v * m`.

    Call arguments:
        text: h, `[B, n, d]`.
        context: c, the post's attended picture, `[B, 1, d']`.
        return_gate: whether to return beta_v as well.

    Returns:
        `[B, n, d]`; with `return_gate` also beta_v, of the same shape.
    """

    def build(self, text_shape, context_shape) -> None:
        # The three lines concatenated: visual gate, text's gate, m.
        self.text_projection = self.add_dense(3 * text_shape[-1], text_shape)
        self.context_projection = self.add_dense(3 * text_shape[-1], context_shape, use_bias=False)

    def call(self, text, context, return_gate=False):
        visual, textual, mixed = ops.split(self.text_projection(text) + self.context_projection(context), 3, axis=-1)
        gate = ops.sigmoid(visual)
        output = ops.sigmoid(textual) * text + gate * ops.tanh(mixed)
        return (output, gate) if return_gate else output


@keras.saving.register_keras_serializable(package="mner_keras")
class VAM(Tagger):
    """Apply the visual attention model with the visual gate.

    `h = BiLSTM([word; characters])`, its last states are the query q; regions are attended to by
    `e = softmax_i(w . (tanh(W v_i) + tanh(W q + b)))`, `c = sum_i e_i v_i` (`GuidedAttention`); each token becomes
    `beta_w * h_t + beta_v * m_t` (`VisualModulation`); a linear layer and a CRF read the tags.

    The paper is not available. With the sum outside of the tanh, as given, the softmax cancels the query's part, so
    that the regions' weights depend on the picture alone; `score="joint"` makes them depend on the sentence. Regions
    are VGG16's here and ResNet's there. The widths are those of `BiLSTMCRF`; optimiser and dropout are unknown to us.

    Args:
        preprocessor, word_dim, char_dim, char_hidden_dim, hidden_dim, dropout, loss_reduction: see `BiLSTMCRF`.
        attention_dim: width of the attention's hidden layer.
        score: `"sum"` as given, or `"joint"`; see `GuidedAttention`.

    Reference:
        Lu, Neves, Carvalho, Zhang & Ji, "Visual attention model for name tagging in multimodal social media", ACL 2018.
    """

    preprocessing = {"use_pos": False, "visual": VGG16_REGIONS}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: Count | None = None,
        char_dim: Count = 25,
        char_hidden_dim: TwoWay = 50,
        hidden_dim: TwoWay = 200,
        attention_dim: Count = 200,
        score: Literal["sum", "joint"] = "sum",
        dropout: Rate = 0.5,
        loss_reduction: str = "mean",
        name: str = "vam",
    ) -> None:
        check_arguments(VAM.__init__, self._arguments)
        inputs = batch_inputs(preprocessor)
        token_mask = inputs["token_mask"]
        words = word_embedding(preprocessor, word_dim, 100, unknown="uniform")(inputs["word_ids"])
        char_bilstm = CharBiLSTM(preprocessor.char_vocabulary_size, char_dim, char_hidden_dim, name="char_bilstm")
        characters = char_bilstm(inputs["char_ids"])
        tokens = keras.layers.Concatenate(name="token_representation")([words, characters])
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        text = BiLSTM(hidden_dim, name="bilstm")(tokens, mask=token_mask)
        query = LastStates(name="sentence")(text, mask=token_mask)  # q [B, 1, d]
        context = GuidedAttention(attention_dim, score, name="visual_attention")(
            query, inputs["visual_features"], value_mask=inputs["visual_mask"]
        )  # c [B, 1, f]
        features = VisualModulation(name="modulation")(text, context)
        outputs = crf_outputs(preprocessor, features, token_mask)
        super().__init__(inputs, outputs, preprocessor, loss_reduction, name=name)
