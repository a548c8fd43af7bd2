"""Checks of the layers' arguments; each raises a `ValueError` with the expected and the received value."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Check that an argument is an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(f"`{name}` must be a whole number. Received: {name}={value!r}")
    if value < least:
        raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}")


def check_widths(**widths: int) -> None:
    """Check that each is an integer of at least 1, or of at least 2 for a width shared by two directions."""
    for name, width in widths.items():
        check_count(name, width, 2 if name.endswith("hidden_dim") else 1)


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


def check_mask(name: str, mask: Any, of: str, tensor: Any) -> None:
    """Check that a mask has the first two axes of the tensor that it masks, where both are known. `None` is no mask.

    Args:
        name: the mask's argument.
        mask: the mask, or `None`.
        of: the argument that it masks.
        tensor: `[B, n, ...]`.
    """
    if mask is None:
        return
    found = tuple(mask.shape) if hasattr(mask, "shape") else np.shape(mask)
    expected = tuple(tensor.shape)[:2]
    if len(found) != len(expected) or any(
        isinstance(size, int) and isinstance(other, int) and size != other
        for size, other in zip(found, expected, strict=True)
    ):
        raise ValueError(f"`{name}` must have the first two axes of `{of}`, {expected}. Received: {name}.shape={found}")
