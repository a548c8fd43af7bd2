"""`VAM`: attention of the sentence to the picture's regions, with a visual gate."""

from __future__ import annotations

import keras

from mner_keras.baselines.layers import GuidedAttention, LastStates, VisualModulation
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, crf_outputs, word_embedding
from mner_keras.layers import BiLSTM, CharBiLSTM
from mner_keras.layers.checks import check_choice, check_rate, check_widths
from mner_keras.tagger import Tagger
from mner_keras.vision.visual_input import VGG16_REGIONS


@keras.saving.register_keras_serializable(package="mner_keras")
class VAM(Tagger):
    """Apply the visual attention model with the visual gate.

    `h = BiLSTM([word; characters])`, its last states are the query q; regions are attended to by
    `e = softmax_i(w . (tanh(W v_i) + tanh(W q + b)))`, `c = sum_i e_i v_i` (`GuidedAttention`); each token becomes
    `beta_w * h_t + beta_v * m_t` (`VisualModulation`); a linear layer and a CRF read the tags.

    The paper is not available. With the sum outside of the tanh, as given, the softmax cancels the query's part, so
    that the regions' weights depend on the picture alone; `score="joint"` makes them depend on the sentence. Regions
    are VGG16's here and ResNet's there. The widths are those of the BiLSTM-CRF that the model builds on; optimiser and
    dropout are unknown to us.

    Args:
        word_dim, char_dim, char_hidden_dim, hidden_dim, dropout: see `BiLSTMCRF`.
        attention_dim: width of the attention's hidden layer.
        score: how to combine the projections of query and regions, `"sum"` as given, or `"joint"`; see
            `GuidedAttention`.
        preprocessor, loss_reduction: see `Tagger`.

    Example:

    >>> preprocessor = VAM.fit_preprocessor(load_dataset("sample")["train"])
    >>> model = VAM(preprocessor)

    Reference:
        Lu, Neves, Carvalho, Zhang & Ji, "Visual attention model for name tagging in multimodal social media", ACL 2018.
    """

    preprocessing = {"use_pos": False, "visual": VGG16_REGIONS}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: int | None = None,
        char_dim: int = 25,
        char_hidden_dim: int = 50,
        hidden_dim: int = 200,
        attention_dim: int = 200,
        score: str = "sum",
        dropout: float = 0.5,
        loss_reduction: str = "mean",
        name: str = "vam",
    ) -> None:
        check_widths(
            char_dim=char_dim,
            char_hidden_dim=char_hidden_dim,
            hidden_dim=hidden_dim,
            attention_dim=attention_dim,
        )
        check_rate("dropout", dropout)
        check_choice("score", score, ("sum", "joint"))
        inputs = batch_inputs(preprocessor)
        token_mask = inputs["token_mask"]
        words = word_embedding(preprocessor, word_dim, 100, unknown="uniform")(inputs["word_ids"])
        characters = CharBiLSTM(preprocessor.char_vocabulary_size, char_dim, char_hidden_dim, name="char_bilstm")(
            inputs["char_ids"]
        )
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
