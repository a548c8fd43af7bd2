"""`MNERMA`: modality attention over word, characters and picture."""

import keras
from keras import ops

from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, crf_outputs, word_embedding
from mner_keras.layers import BiLSTM, CharBiLSTM
from mner_keras.layers.base import BaseLayer, full_mask, masked_softmax
from mner_keras.layers.checks import Count, Rate, TwoWay, check_arguments
from mner_keras.tagger import Tagger
from mner_keras.vision.visual_input import VGG16_REGIONS


@keras.saving.register_keras_serializable(package="mner_keras")
class ModalityAttention(BaseLayer):
    """Mix a token's word vector, its characters' vector and the post's picture by attention over the three (`MNERMA`).

    Each is projected to one width, `x^w`, `x^c`, `x^v`; then `a_t = softmax(W [x^w_t; x^c_t; x^v] + b)`, three numbers,
    and `x_t = a_tw x^w_t + a_tc x^c_t + a_tv x^v`. The picture is the mean of its regions; without any, `a_tv = 0`.

    Args:
        units: the common width.

    Call arguments:
        words: `[B, n, d_w]`.
        characters: `[B, n, d_c]`.
        regions: `[B, k, d_v]`.
        region_mask: bool `[B, k]`, true for regions.
        return_attention_scores: whether to return the weights as well.

    Returns:
        x, `[B, n, units]`; with `return_attention_scores` also a, `[B, n, 3]`: word, characters, picture.
    """

    def __init__(self, units: Count, **kwargs) -> None:
        super().__init__(**kwargs)

    def build(self, words_shape, characters_shape, regions_shape) -> None:
        shapes = words_shape, characters_shape, regions_shape
        self.projections = [self.add_dense(self.units, shape) for shape in shapes]
        self.attention = self.add_dense(3, (None, None, 3 * self.units))

    def call(self, words, characters, regions, region_mask=None, return_attention_scores=False):
        there = full_mask(region_mask, regions)[..., None]  # [B, k, 1]
        seen = ops.any(there, axis=1, keepdims=True)  # [B, 1, 1]
        count = ops.maximum(ops.sum(ops.cast(there, self.compute_dtype), axis=1, keepdims=True), 1)
        picture = ops.sum(ops.where(there, regions, ops.zeros_like(regions)), axis=1, keepdims=True) / count
        word, character, visual = (
            projection(vector)
            for projection, vector in zip(self.projections, (words, characters, picture), strict=True)
        )
        visual = ops.where(seen, visual, ops.zeros_like(visual)) + ops.zeros_like(word)  # the same at each token
        scores = self.attention(ops.concatenate([word, character, visual], axis=-1))  # [B, n, 3]
        # Words and characters are always present.
        weights = masked_softmax(scores, ops.logical_or(seen, ops.arange(3) < 2))
        output = ops.matmul(weights[:, :, None], ops.stack([word, character, visual], axis=2))[:, :, 0]
        return (output, weights) if return_attention_scores else output


@keras.saving.register_keras_serializable(package="mner_keras")
class MNERMA(Tagger):
    """Mix word, characters and picture of each token by attention, then apply a BiLSTM and a CRF.

    A BiLSTM reads characters; `x_t` mixes the three (`ModalityAttention`), `h = BiLSTM(x)`, potentials `W h_t + b`.

    The paper is not available. The picture is the mean of its regions here, and the last layer of Inception there. A
    sigmoid before the softmax, which would keep the weights within a factor of 2.718 of each other, may have been the
    paper's form. The widths are typical of such models; the optimiser (Adagrad, rate 0.02, batch 10) is from memory.

    Args:
        preprocessor, word_dim, hidden_dim, loss_reduction: see `HSN`; h is H there.
        char_dim, char_hidden_dim: see `BiLSTMCRF`.
        modality_dim: width of x and of each projected modality.
        dropout: rate on x and on h.

    Reference:
        Moon, Neves & Carvalho, "Multimodal named entity recognition for short social media posts", NAACL 2018.
    """

    preprocessing = {"use_pos": False, "visual": VGG16_REGIONS}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: Count | None = None,
        char_dim: Count = 50,
        char_hidden_dim: TwoWay = 100,
        modality_dim: Count = 200,
        hidden_dim: TwoWay = 200,
        dropout: Rate = 0.5,
        loss_reduction: str = "mean",
        name: str = "mner_ma",
    ) -> None:
        check_arguments(MNERMA.__init__, self._arguments)
        inputs = batch_inputs(preprocessor)
        token_mask = inputs["token_mask"]
        words = word_embedding(preprocessor, word_dim, 200, unknown="uniform")(inputs["word_ids"])
        char_bilstm = CharBiLSTM(preprocessor.char_vocabulary_size, char_dim, char_hidden_dim, name="char_bilstm")
        characters = char_bilstm(inputs["char_ids"])
        tokens = ModalityAttention(modality_dim, name="modality_attention")(
            words, characters, inputs["visual_features"], region_mask=inputs["visual_mask"]
        )
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        hidden = BiLSTM(hidden_dim, name="bilstm")(tokens, mask=token_mask)
        hidden = keras.layers.Dropout(dropout, name="text_dropout")(hidden)
        super().__init__(inputs, crf_outputs(preprocessor, hidden, token_mask), preprocessor, loss_reduction, name=name)
