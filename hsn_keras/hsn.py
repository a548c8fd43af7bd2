"""`HSN`: the hierarchical self-adaptation network."""

import functools
from typing import Literal

import keras

from hsn_keras.layers import (
    HierarchicalAttention,
    MultiHeadGeneralAttention,
    MultiHeadHierarchicalAttention,
    SelfAdaptiveIntegration,
)
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, token_representation, word_embedding
from mner_keras.layers import CRF, BiLSTM, CharCNN, Highway
from mner_keras.layers.checks import Count, Rate, TwoWay, check_arguments
from mner_keras.tagger import Tagger
from mner_keras.vision.visual_input import VGG16_REGIONS


@keras.saving.register_keras_serializable(package="hsn_keras")
class HSN(Tagger):
    """Hierarchical self-adaptation network for multimodal named entity recognition.

    Text features H and region features `V = relu(W v~ + b)` (eq. 7) reweight each other in two units of multi-head
    hierarchical attention, `G = s_img * V` and `F = s_sen * H` (eq. 8-16). A gate mixes H and F for each token into O
    (eq. 17-18). A linear layer and a CRF with start and end scores predict the tags from O (eq. 3-4). The defaults are
    the paper's table 2 and section 4.3.

    A post without a picture sees the blank picture's regions. `explain` gives the text's attention to the picture
    `region_attention` `[k]` (s_img), the reverse `token_attention` `[n]` (s_sen), and `gamma` `[n, 1]` or `[n, d]`.

    The rows of the paper's table 5 are arguments: `integration="concatenate"` (w/o MI), `attention="general"` (w/o HA),
    `attention="single_head"` (w/o MP); w/o VF is `HSN.fit_preprocessor(posts, features=..., pictures=False)`.

    Args:
        preprocessor: converts posts into batches; saved with the model (`fit_preprocessor`).
        word_dim: width of the word vectors; by default that of the pretrained vectors, else 200.
        char_dim: width of the characters' vectors and of the character convolution.
        pos_dim: width of the vectors of the parts of speech.
        hidden_dim: width d of H and of V; half of it per direction of the BiLSTM.
        num_heads: heads of the attention, a divisor of `hidden_dim`.
        dropout: rate on the token representation and on H.
        head_softmax, gate: see `MultiHeadHierarchicalAttention` and `SelfAdaptiveIntegration`.
        attention: `"multi_head"` for multi-head hierarchical attention, as printed; `"single_head"` for hierarchical
            attention on H and V themselves (eq. 8-13; `num_heads` and `head_softmax` are ignored);
            `"general"` for Luong's general score in each head instead of eq. 8-13.
        integration: `"gate"` for eq. 17-18, as printed; `"concatenate"` for `O = [H; F]`, of width 2d.
        loss_reduction: `"mean"` or `"sum"` over the posts of a batch.

    Example:

    >>> posts = load_dataset("sample")["train"]
    >>> preprocessor = HSN.fit_preprocessor(posts)
    >>> model = HSN(preprocessor)
    >>> model.compile(keras.optimizers.Adam(0.003))

    Reference:
        Tian et al., "Hierarchical self-adaptation network for multimodal named entity recognition in social media",
        Neurocomputing 439, 2021.
    """

    takes_backbone = True
    preprocessing = {"use_pos": True, "visual": VGG16_REGIONS}
    explained = {"region_attention": "k", "token_attention": "n", "gamma": "nd"}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: Count | None = None,
        char_dim: Count = 50,
        pos_dim: Count = 50,
        hidden_dim: TwoWay = 400,
        num_heads: Count = 8,
        dropout: Rate = 0.5,
        head_softmax: bool = True,
        gate: Literal["token", "feature"] = "token",
        attention: Literal["multi_head", "single_head", "general"] = "multi_head",
        integration: Literal["gate", "concatenate"] = "gate",
        loss_reduction: str = "mean",
        name: str = "hsn",
    ) -> None:
        check_arguments(HSN.__init__, self._arguments)
        regions_projection = keras.layers.Dense(hidden_dim, activation="relu", name="region_projection")
        if attention == "single_head":
            unit = HierarchicalAttention
        else:
            unit = MultiHeadHierarchicalAttention if attention == "multi_head" else MultiHeadGeneralAttention
            unit = functools.partial(unit, num_heads, head_softmax=head_softmax)
        text_to_image, image_to_text = unit(name="text_to_image"), unit(name="image_to_text")
        crf = CRF(preprocessor.num_tags, name="crf")

        inputs = batch_inputs(preprocessor)
        token_mask, region_mask = inputs["token_mask"], inputs["visual_mask"]
        text = text_features(preprocessor, inputs, word_dim, char_dim, pos_dim, hidden_dim, dropout)  # H [B, n, d]
        regions = regions_projection(inputs["visual_features"])  # V [B, k, d]
        outputs = {"mask": token_mask}
        guided, outputs["region_attention"] = text_to_image(
            text, regions, query_mask=token_mask, value_mask=region_mask, return_attention_scores=True
        )  # G [B, k, d], s_img [B, k]
        fusion, outputs["token_attention"] = image_to_text(
            guided, text, query_mask=region_mask, value_mask=token_mask, return_attention_scores=True
        )  # F [B, n, d], s_sen [B, n]
        if integration == "gate":
            mix = SelfAdaptiveIntegration(gate, name="integration")
            features, outputs["gamma"] = mix(text, fusion, return_gate=True)  # O [B, n, d], gamma [B, n, 1 or d]
        else:
            features = keras.layers.Concatenate(name="integration")([text, fusion])  # O [B, n, 2d]
        outputs["potentials"] = crf(
            keras.layers.Dense(preprocessor.num_tags, name="potentials")(features), mask=token_mask
        )
        super().__init__(inputs, outputs, preprocessor=preprocessor, loss_reduction=loss_reduction, name=name)


def text_features(
    preprocessor: PostPreprocessor,
    inputs: dict[str, keras.KerasTensor],
    word_dim: int | None,
    char_dim: int,
    pos_dim: int,
    hidden_dim: int,
    dropout: float,
) -> keras.KerasTensor:
    """Return H, `[B, n, hidden_dim]` (HSN section 3.2.1).

    `x = [x^word; x^char; x^pos]`, `h~ = tanh(Highway(x))` (eq. 5), `H = BiLSTM(h~)` (eq. 6), with dropout on x and H.
    A preprocessor with a backbone adds its contextual vector to x.
    """
    # Each layer is created as it is called: the order of both decides the initial weights that a seed gives.
    tokens = token_representation(
        preprocessor,
        inputs,
        words=lambda ids: word_embedding(preprocessor, word_dim, 200, unknown="normal")(ids),
        characters=lambda ids: CharCNN(preprocessor.char_vocabulary_size, char_dim, char_dim, name="char_cnn")(ids),
        pos=lambda ids: keras.layers.Embedding(preprocessor.pos_vocabulary_size, pos_dim, name="pos_embedding")(ids),
    )
    tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
    tokens = keras.layers.Activation("tanh", name="token_tanh")(Highway(name="highway")(tokens))
    hidden = BiLSTM(hidden_dim, name="bilstm")(tokens, mask=inputs["token_mask"])
    return keras.layers.Dropout(dropout, name="text_dropout")(hidden)
