"""`TextTagger`: HSN's text encoder, a dense layer and the CRF; text only."""

import keras

from hsn_keras.hsn import text_features
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, crf_outputs
from mner_keras.tagger import Tagger


@keras.saving.register_keras_serializable(package="mner_keras")
class TextTagger(Tagger):
    """HSN without a picture: a dense layer and the CRF predict the tags from its text features H.

    Args:
        preprocessor, word_dim, char_dim, pos_dim, hidden_dim, dropout, loss_reduction: see `HSN`.
    """

    takes_backbone = True
    preprocessing = {"use_pos": True}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: int | None = None,
        char_dim: int = 50,
        pos_dim: int = 50,
        hidden_dim: int = 400,
        dropout: float = 0.5,
        loss_reduction: str = "mean",
        name: str = "text",
    ) -> None:
        inputs = batch_inputs(preprocessor)
        text = text_features(preprocessor, inputs, word_dim, char_dim, pos_dim, hidden_dim, dropout)
        outputs = crf_outputs(preprocessor, text, inputs["token_mask"])
        super().__init__(inputs, outputs, preprocessor, loss_reduction, name=name)
