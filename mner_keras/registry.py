"""The registry of models by name."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any

from mner_keras.errors import InputError, did_you_mean

KERAS_FILE = "model.keras"
EXTRA_MODULES = {"backbones": ("keras_hub", "safetensors", "sentencepiece", "tokenizers"), "crf": ("pycrfsuite",)}
FEATURES = {
    "regions": (("vgg16",), "49 regions of VGG16's last pooling layer"),
    "objects": (("mask-rcnn", "mask_rcnn", "maskrcnn"), "objects of Mask R-CNN trained on COCO"),
}
"""By kind of features: the name prefixes of the extractors that HSN and AGBAN used, and their output."""


@dataclasses.dataclass(frozen=True)
class Training:
    """The training settings of a paper.

    Args:
        optimizer: the name of a Keras optimiser; here and below, `None` if it does not apply to a system.
        learning_rate: its learning rate.
        batch_size: posts per batch.
        epochs: maximum number of epochs.
        patience: epochs without a better dev F1 before training stops; 0 for never.
        learning_rate_decay: r in `learning_rate / (1 + r * epoch)`, epochs counted from 0.
        weight_decay: the L2 coefficient, as a decay of every weight.
        momentum: the optimiser's momentum; 0 for its own default.
        gradient_clip: the norm that all gradients together are clipped to; 0 for none.
        warmup: the share of all steps over which the rate rises, before it falls to 0; 0 for neither.
    """

    optimizer: str | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    epochs: int = 100
    patience: int = 0
    learning_rate_decay: float = 0.0
    weight_decay: float = 0.0
    momentum: float = 0.0
    gradient_clip: float = 0.0
    warmup: float = 0.0


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    """A named model.

    Args:
        module: the module to import.
        class_name: the model's class in it.
        summary: a one-line description.
        training: the paper's settings.
        arguments: the arguments of the class that the name implies.
        file: the name of the model's file in a run's folder. Its extension selects the class that opens it: `.keras`
            for a Keras model, another extension for any other class.
        paper: its authors and year.
        reads: its inputs: words, characters, parts of speech, subwords, gazetteers; regions or objects of the
            picture.
        settings: the run settings that apply to it; `None` for all. For a class that is not a Keras model, those that
            its `fit` takes.
        extra: the package extra that it needs.
        features: the name prefixes of the extractors that its paper used, and a description of these features; by
            default those of HSN and AGBAN.
        training_note: how `training` differs from the system's own paper.
    """

    module: str
    class_name: str
    summary: str
    training: Training
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    file: str = KERAS_FILE
    paper: str = ""
    reads: tuple[str, ...] = ("words", "characters")
    settings: tuple[str, ...] | None = None
    extra: str = ""
    features: tuple[tuple[str, ...], str] | None = None
    training_note: str = ""

    @property
    def visual(self) -> str | None:
        """Return the kind of its features: `"regions"`, `"objects"`, or `None` for a system without pictures."""
        return next((kind for kind in FEATURES if kind in self.reads), None)

    @property
    def reads_subwords(self) -> bool:
        """Return whether it reads subwords: its operations are then large."""
        return "subwords" in self.reads

    def training_with(self, fine_tune: bool) -> Training:
        """Return the paper's settings, or `FINE_TUNING` where a backbone is fine-tuned that the paper does not have."""
        return FINE_TUNING if fine_tune and not self.reads_subwords else self.training

    @property
    def missing_modules(self) -> list[str]:
        """Return the modules of its extra that are not installed."""
        return [name for name in EXTRA_MODULES.get(self.extra, ()) if importlib.util.find_spec(name) is None]

    @property
    def is_keras(self) -> bool:
        """Return whether the class is a Keras model (a `Tagger`)."""
        return self.file == KERAS_FILE

    def load_class(self) -> type:
        """Import the class: a `Tagger` or a `System`."""
        return getattr(importlib.import_module(self.module), self.class_name)


# HSN section 4.3; the maximum of epochs is unstated.
_HSN_TRAINING = Training("adam", 0.003, batch_size=16, epochs=100, patience=20)
# AGBAN table II; 200 epochs by its figure 7.
_AGBAN_TRAINING = Training(
    "sgd", 0.005, batch_size=10, epochs=200, patience=0, learning_rate_decay=0.05, weight_decay=1e-8
)
# Ma & Hovy section 3.2.
_CNN_BILSTM_CRF_TRAINING = Training(
    "sgd", 0.015, batch_size=10, epochs=50, patience=0, learning_rate_decay=0.05, momentum=0.9, gradient_clip=5.0
)
# Lample et al. section 4.2; a post at a time is from their program.
_BILSTM_CRF_TRAINING = Training("sgd", 0.01, batch_size=1, epochs=100, patience=20, gradient_clip=5.0)
# Zhang et al. print RMSprop, batch 10 and a rate of 0.19, which makes Keras' RMSprop diverge in the first epoch.
_CO_ATTENTION_TRAINING = Training("rmsprop", 0.001, batch_size=10, epochs=100, patience=20)
# Moon et al.; the epochs are unstated.
_MNER_MA_TRAINING = Training("adagrad", 0.02, batch_size=10, epochs=100, patience=20)
# Devlin et al. appendix A.3, and their program's weight decay; 3 to 5 epochs. A BERT reads no vectors and no picture.
_BERT_TRAINING = Training("adamw", 5e-5, batch_size=32, epochs=5, patience=0, weight_decay=0.01, warmup=0.1)
FINE_TUNING = Training("adamw", 2e-4, batch_size=16, epochs=5, patience=0, weight_decay=0.01, warmup=0.1)
"""The settings of a model that fine-tunes a text backbone, where its paper has none; chosen for a small BERT."""
_BERT_SETTINGS = (*(field.name for field in dataclasses.fields(Training)), "seed", "precision")
# A feature CRF's epoch is an iteration of L-BFGS, which reads all posts.
_FEATURE_CRF = {
    "file": "model.crf",
    "settings": ("epochs",),
    "training": Training(epochs=200),
    "extra": "crf",
}
# The papers of VAM and Disan are not available to us.
_UNKNOWN_TRAINING = Training("adam", 0.001, batch_size=10, epochs=100, patience=20)

_TEXT = ("words", "characters")
_HSN = {
    "module": "hsn_keras",
    "class_name": "HSN",
    "training": _HSN_TRAINING,
    "paper": "Tian et al. 2021",
    "reads": (*_TEXT, "parts of speech", "regions"),
}
_AGBAN = {
    "module": "agban_keras",
    "class_name": "AGBAN",
    "training": _AGBAN_TRAINING,
    "paper": "Zheng et al. 2020",
    "reads": (*_TEXT, "objects"),
}

MODELS: dict[str, ModelEntry] = {
    "hsn": ModelEntry(summary="HSN as printed", **_HSN),
    "hsn-without-mi": ModelEntry(
        summary="text and fusion concatenated, no gate", arguments={"integration": "concatenate"}, **_HSN
    ),
    "hsn-without-ha": ModelEntry(
        summary="Luong's attention, not hierarchical", arguments={"attention": "general"}, **_HSN
    ),
    "hsn-without-mp": ModelEntry(
        summary="hierarchical attention without heads", arguments={"attention": "single_head"}, **_HSN
    ),
    "hsn-without-vf": ModelEntry(summary="the blank picture for every post", arguments={"pictures": False}, **_HSN),
    "agban": ModelEntry(summary="AGBAN as printed, Object-AGBAN", **_AGBAN),
    "agban-gban": ModelEntry(summary="Object-GBAN: no adversary", arguments={"adversarial": False}, **_AGBAN),
    "agban-ban": ModelEntry(
        summary="Object-BAN: no gate, no adversary", arguments={"gate": False, "adversarial": False}, **_AGBAN
    ),
    "agban-concat": ModelEntry(
        summary="Object-Concat: one vector of all objects added to each token",
        arguments={"fusion": "concatenate", "adversarial": False},
        **_AGBAN,
    ),
    "agban-released": ModelEntry(
        summary="the model of the authors' released code", **{**_AGBAN, "class_name": "ReleasedAGBAN"}
    ),
    "text": ModelEntry(
        "mner_keras.baselines.text_tagger",
        "TextTagger",
        "HSN's text encoder and the CRF",
        _HSN_TRAINING,
        reads=(*_TEXT, "parts of speech"),
    ),
    "cnn-bilstm-crf": ModelEntry(
        "mner_keras.baselines.cnn_bilstm_crf",
        "CNNBiLSTMCRF",
        "CNN + BiLSTM + CRF",
        _CNN_BILSTM_CRF_TRAINING,
        paper="Ma & Hovy 2016",
    ),
    "bilstm-crf": ModelEntry(
        "mner_keras.baselines.bilstm_crf",
        "BiLSTMCRF",
        "BiLSTM + CRF over words and character BiLSTMs",
        _BILSTM_CRF_TRAINING,
        paper="Lample et al. 2016",
    ),
    "adaptive-co-attention": ModelEntry(
        "mner_keras.baselines.adaptive_co_attention",
        "AdaptiveCoAttention",
        "Adaptive Co-Attention Network",
        _CO_ATTENTION_TRAINING,
        paper="Zhang et al. 2018",
        reads=(*_TEXT, "regions"),
        training_note="RMSprop's rate is 0.001; its paper's rate, 0.19, diverges here",
    ),
    "mner-ma": ModelEntry(
        "mner_keras.baselines.mner_ma",
        "MNERMA",
        "modality attention",
        _MNER_MA_TRAINING,
        paper="Moon et al. 2018",
        reads=(*_TEXT, "regions"),
        features=(("inception",), "the last layer of Inception"),
        training_note="its paper is not available to us; the training is from memory",
    ),
    "vam": ModelEntry(
        "mner_keras.baselines.vam",
        "VAM",
        "visual attention model with the visual gate",
        _UNKNOWN_TRAINING,
        paper="Lu et al. 2018",
        reads=(*_TEXT, "regions"),
        features=(("resnet",), "regions of ResNet"),
        training_note="its paper is not available to us; the training is our choice",
    ),
    "disan": ModelEntry(
        "mner_keras.baselines.disan",
        "Disan",
        "directional self-attention with the picture",
        _UNKNOWN_TRAINING,
        paper="Arshad et al. 2019",
        training_note="its paper is not available to us; the training is our choice",
        reads=(*_TEXT, "parts of speech", "regions"),
    ),
    "bert-ner": ModelEntry(
        "mner_keras.baselines.bert_ner",
        "BertNER",
        "BERT, a linear layer and a CRF",
        _BERT_TRAINING,
        paper="Devlin et al. 2019",
        reads=("subwords",),
        settings=_BERT_SETTINGS,
        extra="backbones",
    ),
    "stanford-ner-like": ModelEntry(
        "mner_keras.baselines.feature_crf",
        "FeatureCRF",
        "CRF over features after Stanford NER",
        arguments={"features": "stanford"},
        paper="Finkel et al. 2005",
        reads=("words",),
        **_FEATURE_CRF,
    ),
    "t-ner-like": ModelEntry(
        "mner_keras.baselines.feature_crf",
        "FeatureCRF",
        "CRF over features after T-NER",
        arguments={"features": "t-ner"},
        paper="Ritter et al. 2011",
        reads=("words", "gazetteers"),
        **_FEATURE_CRF,
    ),
}


def find_model(name: str) -> ModelEntry:
    """Return the entry of a name.

    Raises:
        InputError: an unknown name.
    """
    if name not in MODELS:
        known = ", ".join(sorted(MODELS))
        raise InputError(f"expected a model ({known}), found {name!r}.{did_you_mean(name, MODELS)}")
    return MODELS[name]


def training_of(model_class: type, fine_tune: bool = False) -> Training:
    """Return a model class's paper settings; Adam, 0.001 and batches of 16 for an unregistered class.

    Args:
        model_class: the class.
        fine_tune: whether the model fine-tunes a text backbone.
    """
    names = {entry.class_name: entry for entry in MODELS.values()}
    found = [names[base.__name__] for base in model_class.__mro__ if base.__name__ in names]
    return found[0].training_with(fine_tune) if found else Training("adam", 0.001, batch_size=16)
