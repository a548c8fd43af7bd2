"""Where the kernels that implement a layer for one backend serve; the general way computes the same everywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras

_switched_off = False


def has_kernel(backend: str, dtype: str) -> bool:
    """Return whether Keras runs this backend and its kernels serve: in float32, and those of TensorFlow on CPUs alone.

    On a GPU Keras has a fused LSTM of its own.
    """
    if _switched_off or keras.backend.backend() != backend or dtype != "float32":
        return False
    return backend != "tensorflow" or keras.distribution.list_devices()[0].startswith("cpu")


@contextlib.contextmanager
def without_kernels() -> Iterator[None]:
    """Inside the block graphs are traced in the general way, for programs that lack the kernels' operations."""
    global _switched_off
    _switched_off = True
    try:
        yield
    finally:
        _switched_off = False
