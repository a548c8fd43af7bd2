"""The arguments of a system that a run may set."""

from __future__ import annotations

import inspect
from typing import Any

from mner_keras.errors import InputError, did_you_mean
from mner_keras.system import System

# What the encoder or a preset gives.
_SIZES = {
    "num_tags",
    "vocabulary_size",
    "frozen_vocabulary_size",
    "char_vocabulary_size",
    "pos_vocabulary_size",
    "max_characters",
    "num_singletons",
    "visual_dim",
    "backbone",
    "encoder",
    "name",
}


def free_arguments(model_class: type[System]) -> dict[str, Any]:
    """The arguments of a class that a run may set, with their defaults."""
    parameters = inspect.signature(model_class.__init__).parameters
    return {name: p.default for name, p in parameters.items() if name not in _SIZES and name != "self"}


def check_arguments(model_class: type[System], arguments: dict[str, Any]) -> None:
    """Raise `InputError` for an argument that the model does not have or that the data sets."""
    known = free_arguments(model_class)
    for name in arguments:
        if name not in known:
            raise InputError(
                f"expected an argument of {model_class.__name__} ({', '.join(sorted(known))}), found {name!r}."
                + did_you_mean(name, known)
            )
