"""`VAM`: the sentence looks at the picture's regions, and a visual gate lets the result in."""

from __future__ import annotations

import keras

from mner_keras.baselines.inputs import RegionTagger, check_widths, region_inputs, token_inputs
from mner_keras.baselines.layers import GuidedAttention, LastStates, VisualModulation
from mner_keras.data.encoder import PostEncoder
from mner_keras.layers import CRF, BiLSTM, CharBiLSTM, WordEmbedding
from mner_keras.layers.checks import check_choice, check_rate


@keras.saving.register_keras_serializable(package="mner_keras")
class VAM(RegionTagger):
    """Visual attention model with the visual gate.

    `h = BiLSTM([word; characters])`, its last states are the query q; regions are attended to by
    `e = softmax_i(w . (tanh(W v_i) + tanh(W q + b)))`, `c = sum_i e_i v_i` (`GuidedAttention`); each token becomes
    `beta_w * h_t + beta_v * m_t` (`VisualModulation`); a linear layer and a CRF read the tags.

    The paper is not at hand. With the sum outside of the tanh, as given, the softmax takes the query's part away again,
    so that the regions' weights depend on the picture alone; `score="joint"` gives the sentence a say. Regions are
    VGG16's here and ResNet's there. The widths are those of the BiLSTM-CRF that the model builds on; optimiser and
    dropout are not known to us.

    Args:
        num_tags: the number of tags, K.
        vocabulary_size: rows of the trainable word table.
        char_vocabulary_size: rows of the character table.
        frozen_vocabulary_size: rows of the frozen word table.
        max_characters: characters of a token in a batch.
        word_dim: width of the word vectors.
        char_dim: width of the characters' vectors.
        char_hidden_dim: width of the character BiLSTM; half of it a direction.
        hidden_dim: width of h; half of it a direction of the BiLSTM.
        visual_dim: width of the regions' features.
        attention_dim: width of the attention's hidden layer.
        score: how the projections of query and regions meet, `"sum"` as given, or `"joint"`; see `GuidedAttention`.
        dropout: rate on the token representation.
        encoder: turns posts into batches, and is saved with the model.
        loss_reduction: `"mean"` or `"sum"` over the posts of a batch.

    Example:

    >>> encoder = VAM.fit_encoder(load_dataset("sample")["train"])
    >>> model = VAM.from_encoder(encoder)

    Reference:
        Lu, Neves, Carvalho, Zhang & Ji, "Visual attention model for name tagging in multimodal social media", ACL 2018.
    """

    def __init__(
        self,
        num_tags: int,
        vocabulary_size: int,
        char_vocabulary_size: int,
        frozen_vocabulary_size: int = 0,
        max_characters: int = 24,
        word_dim: int = 100,
        char_dim: int = 25,
        char_hidden_dim: int = 50,
        hidden_dim: int = 200,
        visual_dim: int = 512,
        attention_dim: int = 200,
        score: str = "sum",
        dropout: float = 0.5,
        encoder: PostEncoder | None = None,
        loss_reduction: str = "mean",
        name: str = "vam",
    ) -> None:
        check_widths(
            word_dim=word_dim,
            char_dim=char_dim,
            char_hidden_dim=char_hidden_dim,
            hidden_dim=hidden_dim,
            attention_dim=attention_dim,
        )
        check_rate("dropout", dropout)
        check_choice("score", score, ("sum", "joint"))
        inputs = {**token_inputs(max_characters), **region_inputs(visual_dim)}
        token_mask = inputs["token_mask"]
        words = WordEmbedding(
            vocabulary_size, word_dim, frozen_vocabulary_size, unknown="uniform", name="word_embedding"
        )(inputs["word_ids"])
        characters = CharBiLSTM(char_vocabulary_size, char_dim, char_hidden_dim, name="char_bilstm")(inputs["char_ids"])
        tokens = keras.layers.Concatenate(name="token_representation")([words, characters])
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        text = BiLSTM(hidden_dim, name="bilstm")(tokens, mask=token_mask)
        query = LastStates(name="sentence")(text, mask=token_mask)  # q [B, 1, d]
        context = GuidedAttention(attention_dim, score, name="visual_attention")(
            query, inputs["visual_features"], value_mask=inputs["visual_mask"]
        )  # c [B, 1, f]
        features = VisualModulation(name="modulation")(text, context)
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
        self.char_hidden_dim = char_hidden_dim
        self.hidden_dim = hidden_dim
        self.visual_dim = visual_dim
        self.attention_dim = attention_dim
        self.score = score
        self.dropout = dropout
