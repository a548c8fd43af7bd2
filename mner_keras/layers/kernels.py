"""Where the kernels that implement a layer for one backend serve; the general way computes the same everywhere."""

import keras
from keras import ops

in_use = True  # whether any kernel is used; false while a graph is traced for a program that lacks their operations


def has_kernel(backend: str, dtype: str) -> bool:
    """Return whether Keras runs this backend and its kernels serve: in float32, and those of TensorFlow on CPUs alone.

    On a GPU Keras has a fused LSTM of its own.
    """
    if not in_use or keras.backend.backend() != backend or dtype != "float32":
        return False
    return backend != "tensorflow" or keras.distribution.list_devices()[0].startswith("cpu")


if keras.backend.backend() == "tensorflow":
    from mner_keras.layers.kernels_tensorflow import gather
else:

    def gather(table, index):
        """Return the rows `table[index]` of a tensor or variable, for an index from 0."""
        return ops.take(table, index, axis=0)
