"""The registry of models by name. Its entries are in `registry.toml`."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from mner_keras.errors import check_known

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
        optimizer, learning_rate, batch_size: `None` if they do not apply to a system.
        patience: epochs without a better dev F1 before training stops; 0 for never.
        learning_rate_decay: r in `learning_rate / (1 + r * epoch)`, epochs counted from 0.
        weight_decay: the L2 coefficient, as a decay of every weight.
        momentum: 0 for the optimiser's own default.
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
        class_path: the model's class, with its module.
        summary, training, paper: a line about it; its paper's settings, authors and year.
        arguments: the arguments of the class that the name implies.
        file: the name of the model's file in a run's folder. Its extension selects the class that opens it: `.keras`
            for a Keras model, another extension for any other class.
        reads: words, characters, parts of speech, subwords, gazetteers; regions or objects of the picture.
        settings: the run settings that apply to it; `None` for all. For a class that is not a Keras model, those that
            its `fit` takes.
        extra: the package extra that it needs.
        features: the name prefixes of the extractors that its paper used, and a description of these features; by
            default those of HSN and AGBAN.
        training_note: how `training` differs from the system's own paper.
    """

    class_path: str
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
    def module(self) -> str:
        """Return the module of its class."""
        return self.class_path.rpartition(".")[0]

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

    def used_training(self, fine_tune: bool = False) -> dict[str, Any]:
        """Return the settings of `training_with` that apply to it, by name."""
        values = dataclasses.asdict(self.training_with(fine_tune))
        return {name: value for name, value in values.items() if self.settings is None or name in self.settings}

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
        return getattr(importlib.import_module(self.module), self.class_path.rpartition(".")[2])


def _read_entries() -> dict[str, ModelEntry]:
    tables = tomllib.loads((resources.files("mner_keras") / "registry.toml").read_text(encoding="utf-8"))
    entries = {}
    for name, own in tables.items():
        values = {**tables.get(own.pop("like", None), {}), **own}
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        entries[name] = ModelEntry(**{**values, "training": Training(**values["training"])})
    return entries


FINE_TUNING = Training("adamw", 2e-4, batch_size=16, epochs=5, weight_decay=0.01, warmup=0.1)
"""The settings of a model that fine-tunes a text backbone which its paper does not have; chosen for a small BERT."""

MODELS = _read_entries()
"""The models by name, from `registry.toml`."""


def find_model(name: str) -> ModelEntry:
    """Return the entry of a name; raise `InputError` for an unknown one."""
    check_known("a model", name, sorted(MODELS))
    return MODELS[name]


def training_of(model_class: type, fine_tune: bool = False) -> Training:
    """Return a model class's `training_with`; Adam, 0.001 and batches of 16 for an unregistered class."""
    names = {entry.class_path.rpartition(".")[2]: entry for entry in MODELS.values()}
    found = [names[base.__name__] for base in model_class.__mro__ if base.__name__ in names]
    return found[0].training_with(fine_tune) if found else Training("adam", 0.001, batch_size=16)
