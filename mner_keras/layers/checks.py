"""Checks of arguments; each raises a `ValueError` with the expected and the received value."""

import functools
import math
import numbers
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Check that an argument is an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(f"`{name}` must be a whole number. Received: {name}={value!r}")
    if value < least:
        raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}")


def check_two_way(name: str, value: Any) -> None:
    """Check that an argument is a width that two directions share."""
    check_count(name, value, 2)
    if value % 2:
        raise ValueError(f"`{name}` must be even. Received: {name}={value}")


def check_rate(name: str, value: Any) -> None:
    """Check that an argument is a valid dropout rate."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= value < 1:
        raise ValueError(f"`{name}` must be a number of at least 0 and below 1. Received: {name}={value!r}")


def check_strength(name: str, value: Any, words: Sequence[str] = ()) -> None:
    """Check that an argument is a finite number of at least 0, or one of the given words."""
    if isinstance(value, str) and value in words:
        return
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:
        expected = " or ".join(["a number of at least 0", *map(repr, words)])
        raise ValueError(f"`{name}` must be {expected}. Received: {name}={value!r}")


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Check that an argument is one of the given values."""
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
        *most, last = map(repr, choices)
        raise ValueError(f"`{name}` must be {', '.join(most)} or {last}. Received: {name}={value!r}")


Count = Annotated[int, check_count]
Natural = Annotated[int, functools.partial(check_count, least=0)]
TwoWay = Annotated[int, check_two_way]
Rate = Annotated[float, check_rate]
Strength = Annotated[float, check_strength]


def check_arguments(function: Callable, arguments: Mapping[str, Any]) -> None:
    """Check arguments of a function by their annotations.

    `Annotated[type, check]` calls the check; `bool` and `Literal` allow their values. These may be part of `X | None`
    and `tuple[X, ...]`. Other annotations allow anything.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    for name, value in arguments.items():
        _check(name, value, hints.get(name))


def _check(name: str, value: Any, hint: Any) -> None:
    kind, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is bool or kind is Literal:
        check_choice(name, value, parts or (True, False))
    elif kind is Annotated:
        hint.__metadata__[0](name, value)
    elif kind is tuple:
        for item in value:
            _check(name, item, parts[0])
    elif type(None) in parts and value is not None:
        _check(name, value, parts[0])


def check_mask(name: str, mask: Any, of: str, tensor: Any) -> None:
    """Check that a mask has the first two axes of the argument `of`, where both are known; `None` is no mask."""
    if mask is None:
        return
    found = tuple(mask.shape) if hasattr(mask, "shape") else np.shape(mask)
    expected = tuple(tensor.shape)[:2]
    if len(found) != len(expected) or any(
        isinstance(size, int) and isinstance(other, int) and size != other
        for size, other in zip(found, expected, strict=True)
    ):
        raise ValueError(f"`{name}` must have the first two axes of `{of}`, {expected}. Received: {name}.shape={found}")
