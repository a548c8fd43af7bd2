"""`BertNER`: a pretrained BERT that tags each token at its first word piece; text only."""

import keras
import numpy as np

from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, token_representation
from mner_keras.layers import CRF
from mner_keras.layers.checks import Rate, check_arguments
from mner_keras.tagger import Tagger


@keras.saving.register_keras_serializable(package="mner_keras")
class BertNER(Tagger):
    """Fine-tune a BERT to tag tokens.

    The BERT reads a post's word pieces; the vector of each token's first piece passes dropout and a linear layer to the
    tags' potentials (section 5.3 of the paper). With `crf=True` our CRF decodes them. With `crf=False`, as in Devlin et
    al., its scores stay zero: such a CRF is a softmax over the tags of each token, and its loss the cross-entropy, here
    summed over a post's tokens. The AGBAN paper does not say which of the two its row BERT-NER is.

    A post with more pieces than the BERT has positions (512) keeps the first pieces of each token, as many as fit.
    Tokens that do not fit with one piece each (beyond the 510th) get the zero vector.

    The settings are the paper's, but the weight decay of 0.01 applies to every weight here; there, not to biases and
    norms. At its rate of 5e-5 the CRF's own scores hardly move.

    By default the backbone is cased BERT BASE, as in the AGBAN paper's row. `fit_preprocessor(posts, backbone=...)`
    takes another preset of KerasHub, or a folder. It needs the extra `backbones`.

    Args:
        preprocessor, loss_reduction: see `HSN`.
        crf: whether to decode with a CRF; otherwise each token is tagged independently.
        dropout: rate on the tokens' vectors; the BERT's own rate is its preset's.

    Reference:
        Devlin, Chang, Lee & Toutanova, "BERT: pre-training of deep bidirectional transformers for language
        understanding", NAACL 2019.
    """

    takes_backbone = True
    preprocessing = {
        "backbone": "bert_base_en",
        "fine_tune": True,
        "use_words": False,
        "use_characters": False,
        "use_pos": False,
    }

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        crf: bool = True,
        dropout: Rate = 0.1,
        loss_reduction: str = "mean",
        name: str = "bert_ner",
    ) -> None:
        check_arguments(BertNER.__init__, self._arguments)
        if preprocessor.backbone is None:
            raise ValueError("`preprocessor` must have a backbone: create it with `BertNER.fit_preprocessor`")
        inputs = batch_inputs(preprocessor)
        tokens = token_representation(preprocessor, inputs)  # [B, n, d]
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        scores = keras.layers.Dense(
            preprocessor.num_tags, kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02), name="potentials"
        )(tokens)
        layer = CRF(preprocessor.num_tags, boundary=crf, name="crf")
        potentials = layer(scores, mask=inputs["token_mask"])
        if not crf:
            layer.transitions.assign(np.zeros((preprocessor.num_tags,) * 2))
            layer.trainable = False
        outputs = {"potentials": potentials, "mask": inputs["token_mask"]}
        super().__init__(inputs, outputs, preprocessor, loss_reduction, name=name)
