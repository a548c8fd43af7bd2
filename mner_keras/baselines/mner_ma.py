"""`MNERMA`: modality attention over word, characters and picture."""

from __future__ import annotations

import keras

from mner_keras.baselines.layers import ModalityAttention
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, crf_outputs, word_embedding
from mner_keras.layers import BiLSTM, CharBiLSTM
from mner_keras.layers.checks import check_rate, check_widths
from mner_keras.tagger import Tagger
from mner_keras.vision.visual_input import VGG16_REGIONS


@keras.saving.register_keras_serializable(package="mner_keras")
class MNERMA(Tagger):
    """Mix word, characters and picture of each token by attention, then apply a BiLSTM and a CRF.

    `x_t = a_tw x^w_t + a_tc x^c_t + a_tv x^v` with `a_t = softmax(W [x^w_t; x^c_t; x^v] + b)` (`ModalityAttention`),
    characters read by a BiLSTM, `h = BiLSTM(x)`, potentials `W h_t + b`.

    The paper is not available. The picture is the mean of its regions here, and the last layer of Inception there. A
    sigmoid before the softmax, which would keep the weights within a factor of 2.718 of each other, may have been the
    paper's form. The widths are typical of such models; the optimiser (Adagrad, rate 0.02, batch 10) is from memory of
    the paper.

    Args:
        word_dim: width of the word vectors; by default that of the pretrained vectors, else 200.
        char_dim, char_hidden_dim, hidden_dim: see `BiLSTMCRF`.
        modality_dim: width of x and of each projected modality.
        dropout: rate on x and on h.
        preprocessor, loss_reduction: see `Tagger`.

    Example:

    >>> preprocessor = MNERMA.fit_preprocessor(load_dataset("sample")["train"])
    >>> model = MNERMA(preprocessor)

    Reference:
        Moon, Neves & Carvalho, "Multimodal named entity recognition for short social media posts", NAACL 2018.
    """

    preprocessing = {"use_pos": False, "visual": VGG16_REGIONS}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: int | None = None,
        char_dim: int = 50,
        char_hidden_dim: int = 100,
        modality_dim: int = 200,
        hidden_dim: int = 200,
        dropout: float = 0.5,
        loss_reduction: str = "mean",
        name: str = "mner_ma",
    ) -> None:
        check_widths(
            char_dim=char_dim,
            char_hidden_dim=char_hidden_dim,
            modality_dim=modality_dim,
            hidden_dim=hidden_dim,
        )
        check_rate("dropout", dropout)
        inputs = batch_inputs(preprocessor)
        token_mask = inputs["token_mask"]
        words = word_embedding(preprocessor, word_dim, 200, unknown="uniform")(inputs["word_ids"])
        characters = CharBiLSTM(preprocessor.char_vocabulary_size, char_dim, char_hidden_dim, name="char_bilstm")(
            inputs["char_ids"]
        )
        tokens = ModalityAttention(modality_dim, name="modality_attention")(
            words, characters, inputs["visual_features"], region_mask=inputs["visual_mask"]
        )
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        hidden = BiLSTM(hidden_dim, name="bilstm")(tokens, mask=token_mask)
        hidden = keras.layers.Dropout(dropout, name="text_dropout")(hidden)
        outputs = crf_outputs(preprocessor, hidden, token_mask)
        super().__init__(inputs, outputs, preprocessor, loss_reduction, name=name)
