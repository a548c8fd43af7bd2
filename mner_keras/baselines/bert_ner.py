"""`BertNER`: a pretrained BERT that tags each token at its first word piece; text only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from mner_keras.baselines.layers import FirstSubwords
from mner_keras.data.post import Post
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.data.subwords import Subwords
from mner_keras.errors import InputError
from mner_keras.inputs import batch_inputs
from mner_keras.layers import CRF
from mner_keras.layers.checks import check_choice, check_rate
from mner_keras.tagger import Tagger

PRESET = "bert_base_en"
"""KerasHub's name of cased BERT BASE, which the AGBAN paper's row uses."""

SIZES = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "dropout",
    "max_sequence_length",
    "num_segments",
)
"""The arguments of a `keras_hub.models.BertBackbone`."""


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


def make_backbone(sizes: dict[str, Any]) -> keras.Model:
    """Return the layers of a `keras_hub.models.BertBackbone` up to the word pieces' vectors, with fresh weights.

    Args:
        sizes: the backbone's arguments, named in `SIZES`.
    """
    if not isinstance(sizes, dict) or set(sizes) != set(SIZES):
        raise ValueError(f"`backbone` must be a dict of {', '.join(SIZES)}. Received: backbone={sizes!r}")
    return _without_pooler(_keras_hub().models.BertBackbone(**sizes))


def load_subwords(preset: str | os.PathLike) -> Subwords:
    """Return the word pieces of a preset, with the sizes and weights of its BERT.

    Args:
        preset: a preset of KerasHub's `BertBackbone`, or a Hugging Face folder (`config.json`, `model.safetensors`,
            `vocab.txt`, `tokenizer_config.json`).

    Raises:
        InputError: no such preset or folder, a preset of another model, or the extra `bert` is missing.
    """
    hub = _keras_hub()
    tokenizer = _load(hub.models.BertTokenizer, preset)
    backbone = _load(hub.models.BertBackbone, preset)
    if not isinstance(backbone, hub.models.BertBackbone):
        raise InputError(f"expected a BERT, found a {type(backbone).__name__}", preset)
    sizes = {name: backbone.get_config()[name] for name in SIZES}
    vocabulary = tokenizer.get_vocabulary()
    if len(vocabulary) > sizes["vocabulary_size"]:
        raise InputError(
            f"expected at most {sizes['vocabulary_size']:,} word pieces, found {len(vocabulary):,} in {preset!r}"
        )
    name = os.path.basename(os.fspath(preset))
    subwords = Subwords(vocabulary, tokenizer.lowercase, sizes["max_sequence_length"], name, sizes)
    subwords.weights = _without_pooler(backbone).get_weights()
    return subwords


def _without_pooler(backbone: keras.Model) -> keras.Model:
    # Layers that read `[CLS]` get no gradient here.
    return keras.Model(backbone.input, backbone.output["sequence_output"], name="backbone")


def _load(kind: Any, preset: str | os.PathLike) -> Any:
    try:
        return kind.from_preset(os.fspath(preset))
    # Missing or damaged files, unreachable hubs: each library below has its own errors.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"expected a BERT preset of KerasHub or the folder of a Hugging Face BERT, found {os.fspath(preset)!r}, "
            f"which does not load ({reason})"
        ) from error


def _keras_hub() -> Any:
    try:
        import keras_hub
        import safetensors  # noqa: F401 (KerasHub reads Hugging Face folders with it)
    except ImportError as error:
        raise InputError(f"a BERT needs {error.name}: pip install 'mner-keras[bert]'") from None
    return keras_hub
