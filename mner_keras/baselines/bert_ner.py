"""`BertNER`: a pretrained BERT that tags each token at its first word piece; text only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from mner_keras.baselines.bert_preset import load_subwords, make_backbone
from mner_keras.baselines.layers import FirstSubwords
from mner_keras.data.post import Post
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs
from mner_keras.layers import CRF
from mner_keras.layers.checks import check_choice, check_rate
from mner_keras.tagger import Tagger

PRESET = "bert_base_en"
"""KerasHub's name of cased BERT BASE, which the AGBAN paper's row uses."""


@keras.saving.register_keras_serializable(package="mner_keras")
class BertNER(Tagger):
    """Fine-tune a BERT to tag tokens.

    The BERT reads a post's word pieces; the vector of each token's first piece passes dropout and a linear layer to the
    tags' potentials (section 5.3 of the paper). With `crf=True` our CRF decodes them. With `crf=False` its transitions,
    start and end scores stay zero: such a CRF is a softmax over the tags of each token, and its loss the cross-entropy,
    summed over a post's tokens as elsewhere in this package (the paper's program takes the mean over the batch's).
    Devlin et al. have no CRF; the AGBAN paper does not say which of the two its row BERT-NER is.

    A post with more pieces than the BERT has positions (512) keeps the first pieces of each token, as many as fit.
    Tokens that do not fit with one piece each (beyond the 510th) get the zero vector.

    The settings are the paper's: AdamW, 5e-5, batch 32, warm-up over a tenth of the steps, a linear fall to 0. The
    weight decay of 0.01 applies to every weight here; there, not to biases and norms. At that rate the CRF's own scores
    hardly move.

    It needs the extra `bert` (keras-hub, tokenizers). The saved file contains the network and the word pieces: tagging
    needs no preset.

    Args:
        preprocessor: converts posts into batches; saved with the model; `fit_preprocessor` reads the preset.
        crf: whether to decode with a CRF; otherwise each token is tagged independently.
        dropout: rate on the tokens' vectors; the BERT's own rate is its preset's.
        loss_reduction: `"mean"` or `"sum"` over the posts of a batch.

    Example:

    >>> posts = load_dataset("sample")["train"]
    >>> preprocessor = BertNER.fit_preprocessor(posts, preset="bert_base_en")
    >>> model = BertNER(preprocessor)

    Reference:
        Devlin, Chang, Lee & Toutanova, "BERT: pre-training of deep bidirectional transformers for language
        understanding", NAACL 2019.
    """

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        crf: bool = True,
        dropout: float = 0.1,
        loss_reduction: str = "mean",
        name: str = "bert_ner",
    ) -> None:
        check_choice("crf", crf, (True, False))
        check_rate("dropout", dropout)
        if preprocessor.subwords is None:
            raise ValueError("`preprocessor` must have subwords: create it with `BertNER.fit_preprocessor`")
        bert = make_backbone(preprocessor.subwords.backbone)
        inputs = batch_inputs(preprocessor)
        pieces = bert(
            {
                "token_ids": inputs["subword_ids"],
                "segment_ids": ops.zeros_like(inputs["subword_ids"]),
                "padding_mask": ops.cast(inputs["subword_mask"], "int32"),
            }
        )  # [B, m, d]
        tokens = FirstSubwords(name="first_pieces")(pieces, inputs["first_subwords"])  # [B, n, d]
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        scores = keras.layers.Dense(
            preprocessor.num_tags, kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02), name="potentials"
        )(tokens)
        layer = CRF(preprocessor.num_tags, boundary=crf, name="crf")
        potentials = layer(scores, mask=inputs["token_mask"])
        if not crf:
            layer.transitions.assign(np.zeros((preprocessor.num_tags,) * 2))
            layer.trainable = False
        super().__init__(
            inputs,
            {"potentials": potentials, "mask": inputs["token_mask"]},
            preprocessor=preprocessor,
            loss_reduction=loss_reduction,
            name=name,
        )
        if preprocessor.subwords.weights is not None:
            bert.set_weights(preprocessor.subwords.weights)

    @classmethod
    def fit_preprocessor(
        cls,
        posts: Iterable[Post],
        vectors: None = None,
        features: None = None,
        preset: str | os.PathLike = PRESET,
        **options: Any,
    ) -> PostPreprocessor:
        """Return a `PostPreprocessor` with the word pieces of a preset.

        Args:
            posts: the training posts.
            vectors: `None`; a BERT reads no word vectors.
            features: `None`; it reads no pictures.
            preset: a preset of KerasHub (`"bert_base_en"` is cased BERT BASE), or a local Hugging Face folder. Its
                weights become those of the model.
            options: other arguments of `PostPreprocessor.fit`.
        """
        for name, value in (("vectors", vectors), ("features", features)):
            if value is not None:
                raise ValueError(f"`{name}` must be None: a BERT reads word pieces alone. Received: {name}={value!r}")
        return super().fit_preprocessor(posts, subwords=load_subwords(preset), **options)
