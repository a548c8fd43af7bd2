"""How AGBAN's matrices begin."""

from __future__ import annotations

import keras

from mner_keras.layers import BiLSTM


def linear_initializer() -> keras.initializers.Initializer:
    """Uniform within `1 / sqrt(rows)`: how the authors' framework begins a linear layer.

    The paper says nothing of it, but its learning rate depends on it. With Keras' own Glorot initialisation, which
    begins a square matrix 1.7 times wider, table II's plain SGD (0.005 on a loss summed over the batch) diverges within
    ten steps on Twitter-2015.
    """
    return keras.initializers.VarianceScaling(scale=1 / 3, mode="fan_in", distribution="uniform")


def width_initializer(width: int) -> keras.initializers.Initializer:
    """Uniform within `1 / sqrt(width)`, for weights whose shape does not tell the width."""
    return keras.initializers.RandomUniform(-(width**-0.5), width**-0.5)


def begin_uniformly(bilstm: BiLSTM) -> None:
    """Let a BiLSTM that is not built yet begin as the authors' framework does.

    All weights are uniform within `1 / sqrt(units of a direction)`, and the forget gate has no bias of its own.
    """
    for lstm in (bilstm.forward_lstm, bilstm.backward_lstm):
        cell = lstm.cell
        # One initialiser each: the same one would give equal values to weights of equal shape.
        cell.kernel_initializer = width_initializer(cell.units)
        cell.recurrent_initializer = width_initializer(cell.units)
        cell.bias_initializer = width_initializer(cell.units)
        cell.unit_forget_bias = False
