"""`ReleasedNetwork`: the feed-forward network with the released code's initialisation."""

from __future__ import annotations

import keras

from agban_keras.layers.initializers import width_initializer
from agban_keras.layers.masked_network import MaskedNetwork


@keras.saving.register_keras_serializable(package="agban_keras")
class ReleasedNetwork(MaskedNetwork):
    """Apply a `MaskedNetwork` with biases initialised uniformly within `1 / sqrt(input width)`, like its matrices.

    Args:
        hidden: widths of the inner layers.
        units: width of the output.

    Call arguments:
        inputs: `[B, m, f]`.
        mask: bool `[B, m]`, true for positions included in the batch statistics.

    Returns:
        `[B, m, units]`.

    Example:

    >>> ReleasedNetwork((512, 256), 200)(np.ones((2, 3, 1024))).shape
    TensorShape([2, 3, 200])
    """

    def build(self, input_shape) -> None:
        width = input_shape[-1]
        for dense in (*self.inner, self.outer):
            dense.bias_initializer = width_initializer(width)
            width = dense.units
        super().build(input_shape)
