"""`RunConfig`: all settings of a run, as TOML; and the arguments of a model that a run may set."""

import dataclasses
import inspect
import math
import os
import tomllib
import typing
from pathlib import Path
from typing import Any, Self

import tomli_w

from mner_keras.data.datasets import Dataset
from mner_keras.errors import InputError, check_known, did_you_mean
from mner_keras.files import read_parsed
from mner_keras.registry import ModelEntry, Training, find_model

FORMAT = 2  # of a run's folder, `format` in its config.toml; runs of mner-keras 0.1 have none
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")

_AT_LEAST = {"epochs": 1, "batch_size": 1} | dict.fromkeys(
    ("patience", "max_vectors", "seed", "learning_rate_decay", "weight_decay", "momentum", "gradient_clip"), 0
)
# Arguments that a run sets in other ways: those of the constructor, and those of `fit_preprocessor`.
_GIVEN = ("self", "name", "preprocessor")
_GIVEN_FIRST = ("cls", "posts", "vectors", "features", "visual", "other_posts", "options")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig(Training):
    """The complete description of a training run, sufficient to repeat it: a model, its inputs, and its `Training`.

    An unknown model or precision, or a number out of range, raises `InputError`.
    """

    optimizer: str = "adam"
    learning_rate: float = 0.003
    batch_size: int = 16
    patience: int = 20
    model: str  # a name of the registry
    data: str = "sample"  # a data set's name or folder
    features: str = ""  # the store of the pictures' features; empty for the data set's own
    no_pictures: bool = False  # train as if no post had a picture
    vectors: str = ""  # the file of word vectors; empty for none
    max_vectors: int = 200_000  # vectors to keep from the file in addition to those of the training posts' words
    transductive: bool = False  # build the vocabulary over train, dev and test, as in AGBAN's released code
    seed: int = 1  # of weights, data order and dropout
    precision: str = "float32"  # a Keras dtype policy
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)  # further arguments of the model

    def __post_init__(self) -> None:
        find_model(self.model)
        for name, least in _AT_LEAST.items():
            if not least <= getattr(self, name) < math.inf:
                raise InputError(f"`{name}` must be at least {least}. Received: {name}={getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"`learning_rate` must be above 0. Received: learning_rate={self.learning_rate}")
        if not 0 <= self.warmup < 1:
            raise InputError(f"`warmup` must be at least 0 and below 1. Received: warmup={self.warmup}")
        if self.warmup and self.learning_rate_decay:
            raise InputError("`warmup` and `learning_rate_decay` exclude each other: both define how the rate falls")
        if self.precision not in PRECISIONS:
            found = f"precision={self.precision!r}.{did_you_mean(self.precision, PRECISIONS)}"
            raise InputError(f"`precision` must be one of {', '.join(PRECISIONS)}. Received: {found}")

    @classmethod
    def for_model(cls, model: str, **settings: Any) -> Self:
        """Return the paper's settings for a model, updated with the given settings.

        Learning rate, its decay, weight decay, momentum and warm-up belong to an optimiser: with an optimiser other
        than the paper's, they default to 0.001, 0, 0, 0 and 0.
        """
        fine_tune = settings.get("arguments", {}).get("fine_tune") is True
        used = find_model(model).used_training(fine_tune)
        paper = {name: value for name, value in used.items() if value is not None}
        if "optimizer" in paper and settings.get("optimizer", paper["optimizer"]) != paper["optimizer"]:
            paper.update(learning_rate=0.001, learning_rate_decay=0.0, weight_decay=0.0, momentum=0.0, warmup=0.0)
        return cls(model=model, **{**paper, **settings})

    @property
    def training(self) -> Training:
        """Return the training settings."""
        return Training(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Training)})

    @property
    def entry(self) -> ModelEntry:
        """Return the model's entry in the registry."""
        return find_model(self.model)

    @property
    def all_arguments(self) -> dict[str, Any]:
        """Return the arguments that the model's name implies, updated with `arguments`."""
        return {**self.entry.arguments, **self.arguments}

    @property
    def visual(self) -> str | None:
        """Return the kind of features that the run reads; `None` where it has no use for the pictures."""
        return self.entry.visual if self.all_arguments.get("pictures", True) else None

    def find_features(self, data: Dataset) -> str | None:
        """Return the path of the store that the run reads: its own, else the data set's; `None` for none."""
        if self.entry.visual is None:
            return (self.features or None) if self.arguments.get("caption") else None
        found = self.features or data.features(self.entry.visual)
        return None if found is None else os.fspath(found)

    @property
    def _used(self) -> set[str]:
        """Return the settings that apply to the model."""
        known = {field.name for field in dataclasses.fields(self)}
        return known if self.entry.settings is None else {"model", "data", "arguments", *self.entry.settings}

    def without_unused(self) -> tuple[Self, list[str]]:
        """Return a copy without the settings that the model ignores, and their names."""
        plain = dataclasses.asdict(RunConfig.for_model(self.model))
        unused = {name: value for name, value in plain.items() if name not in self._used}
        in_vain = [name for name, value in unused.items() if getattr(self, name) != value]
        return dataclasses.replace(self, **unused), in_vain

    def save(self, path: str | os.PathLike) -> None:
        """Write the configuration as TOML, without the settings that the model ignores."""
        values = {name: value for name, value in dataclasses.asdict(self).items() if name in self._used}
        text = tomli_w.dumps({"format": FORMAT, "model": self.model, **values})
        Path(path).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike, of_run: bool = False) -> Self:
        """Read a configuration; raise `InputError` for a file, key or value that is not one of a configuration.

        With `of_run`, its folder is read as a run, which must have the current format.
        """
        values = read_parsed(path, "a run's configuration", tomllib.loads)
        found = values.pop("format", 1)
        if of_run and found != FORMAT:
            problem = f"expected a run of format {FORMAT}, found {found}: made by mner-keras 0.1"
            raise InputError(f"{problem}. `mner train {path}` trains it again", path)
        known = typing.get_type_hints(cls)
        for key, value in values.items():
            if key not in known:
                raise InputError(f"expected a setting of a run, found {key!r}.{did_you_mean(key, known)}", path)
            kinds = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}.get(known[key], (dict,))
            if not isinstance(value, kinds) or (isinstance(value, bool) and kinds != (bool,)):
                raise InputError(f"expected `{key}` to be of type {known[key].__name__}, found {value!r}", path)
        if "model" not in values:
            raise InputError("expected the setting `model`, found none", path)
        # Settings missing in the file are the paper's, as on the command line.
        return cls.for_model(**values)


def free_arguments(model_class: type) -> dict[str, Any]:
    """Return the arguments of a class and of its `fit_preprocessor` that a run may set, with their defaults."""
    return {**_free(model_class.__init__, _GIVEN), **_first_arguments(model_class)}


def split_arguments(model_class: type, arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments that `fit_preprocessor` takes, and those that the constructor takes."""
    known = _first_arguments(model_class)
    first = {name: value for name, value in arguments.items() if name in known}
    return first, {name: value for name, value in arguments.items() if name not in first}


def check_arguments(model_class: type, arguments: dict[str, Any]) -> None:
    """Raise `InputError` for an argument that the model does not have or that the data sets."""
    for name in arguments:
        check_known(f"an argument of {model_class.__name__}", name, sorted(free_arguments(model_class)))


def _first_arguments(model_class: type) -> dict[str, Any]:
    if not hasattr(model_class, "fit_preprocessor"):
        return {}
    from mner_keras.data.preprocessor import PostPreprocessor

    passed_on = _free(PostPreprocessor.fit, _GIVEN_FIRST)
    paper = {name: value for name, value in model_class.preprocessing.items() if name in passed_on}
    return {**passed_on, **paper, **_free(model_class.fit_preprocessor, _GIVEN_FIRST)}


def _free(function: Any, given: tuple[str, ...]) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(function).parameters.items() if name not in given}
