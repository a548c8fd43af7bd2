"""`CNNBiLSTMCRF`: character CNN, BiLSTM and CRF; text only."""

import keras

from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, crf_outputs, word_embedding
from mner_keras.layers import BiLSTM, CharCNN
from mner_keras.layers.checks import Count, Rate, TwoWay, check_arguments
from mner_keras.tagger import Tagger


@keras.saving.register_keras_serializable(package="mner_keras")
class CNNBiLSTMCRF(Tagger):
    """Tag words with a BiLSTM over words and character convolutions, a linear layer and a CRF.

    `x_t = [word_t; max over characters of conv(char embeddings of t)]`, `h = BiLSTM(x)`, potentials `W h_t + b` (the
    paper's section 2). Dropout applies before the convolution and on the BiLSTM's input and output (section 3). The
    paper's SGD, with momentum, clipped gradients and a rate that decays by epochs, is the setting of `cnn-bilstm-crf`
    in `mner train`; clipping the norm of all gradients together is our reading.

    Args:
        preprocessor, word_dim (else 100), hidden_dim, loss_reduction: see `HSN`; h is H there.
        char_dim: width of the characters' vectors.
        char_filters: filters of width 3 of the character convolution.
        dropout: rate on the characters' vectors, on the BiLSTM's input and on its output.

    Reference:
        Ma & Hovy, "End-to-end sequence labeling via bi-directional LSTM-CNNs-CRF", ACL 2016.
    """

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: Count | None = None,
        char_dim: Count = 30,
        char_filters: Count = 30,
        hidden_dim: TwoWay = 400,
        dropout: Rate = 0.5,
        loss_reduction: str = "mean",
        name: str = "cnn_bilstm_crf",
    ) -> None:
        check_arguments(CNNBiLSTMCRF.__init__, self._arguments)
        inputs = batch_inputs(preprocessor)
        token_mask = inputs["token_mask"]
        words = word_embedding(preprocessor, word_dim, 100, unknown="uniform")(inputs["word_ids"])
        characters = CharCNN(
            preprocessor.char_vocabulary_size, char_dim, char_filters, dropout=dropout, name="char_cnn"
        )(inputs["char_ids"])
        tokens = keras.layers.Concatenate(name="token_representation")([words, characters])
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        hidden = BiLSTM(hidden_dim, name="bilstm")(tokens, mask=token_mask)
        hidden = keras.layers.Dropout(dropout, name="text_dropout")(hidden)
        super().__init__(inputs, crf_outputs(preprocessor, hidden, token_mask), preprocessor, loss_reduction, name=name)
