"""Where the kernels that implement a layer for one backend serve; the general way computes the same everywhere."""

from __future__ import annotations

import keras

in_use = True
"""Whether any kernel is used; false while a graph is traced for a program that lacks their operations."""


def has_kernel(backend: str, dtype: str) -> bool:
    """Return whether Keras runs this backend and its kernels serve: in float32, and those of TensorFlow on CPUs alone.

    On a GPU Keras has a fused LSTM of its own.
    """
    if not in_use or keras.backend.backend() != backend or dtype != "float32":
        return False
    return backend != "tensorflow" or keras.distribution.list_devices()[0].startswith("cpu")
