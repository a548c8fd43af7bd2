"""The arguments of a system that a run may set."""

from __future__ import annotations

import inspect
from typing import Any

from mner_keras.errors import InputError, did_you_mean
from mner_keras.tagged_post import System

# Arguments that a run sets in other ways: those of the constructor, and those of `fit_preprocessor`.
_GIVEN = ("self", "name", "preprocessor")
_GIVEN_FIRST = ("posts", "vectors", "features", "options")


def free_arguments(model_class: type[System]) -> dict[str, Any]:
    """Return the arguments of a class and of its `fit_preprocessor` that a run may set, with their defaults."""
    fit = getattr(model_class, "fit_preprocessor", None)
    return {**_free(model_class.__init__, _GIVEN), **({} if fit is None else _free(fit, _GIVEN_FIRST))}


def split_arguments(model_class: type[System], arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments that `fit_preprocessor` takes, and those that the constructor takes."""
    known = _free(model_class.fit_preprocessor, _GIVEN_FIRST)
    first = {name: value for name, value in arguments.items() if name in known}
    return first, {name: value for name, value in arguments.items() if name not in known}


def check_arguments(model_class: type[System], arguments: dict[str, Any]) -> None:
    """Raise `InputError` for an argument that the model does not have or that the data sets."""
    known = free_arguments(model_class)
    for name in arguments:
        if name not in known:
            raise InputError(
                f"expected an argument of {model_class.__name__} ({', '.join(sorted(known))}), found {name!r}."
                + did_you_mean(name, known)
            )


def _free(function: Any, given: tuple[str, ...]) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(function).parameters.items() if name not in given}
