"""Initialisers of AGBAN's weights."""

from __future__ import annotations

import keras

from mner_keras.layers import BiLSTM


def linear_initializer() -> keras.initializers.Initializer:
    """Return a uniform initialiser within `1 / sqrt(rows)`, the default of linear layers in the authors' framework.

    The paper does not mention it, but its learning rate depends on it. Keras' own Glorot initialisation is 1.7 times
    wider for a square matrix; with it, table II's plain SGD (0.005 on a loss summed over the batch) diverges within ten
    steps on Twitter-2015.
    """
    return keras.initializers.VarianceScaling(scale=1 / 3, mode="fan_in", distribution="uniform")


def width_initializer(width: int) -> keras.initializers.Initializer:
    """Return a uniform initialiser within `1 / sqrt(width)`, for weights whose shape does not give the width."""
    return keras.initializers.RandomUniform(-(width**-0.5), width**-0.5)


def begin_uniformly(bilstm: BiLSTM) -> None:
    """Set the initialisers of an unbuilt BiLSTM to those of the authors' framework.

    All weights are uniform within `1 / sqrt(units per direction)`, and the forget gate has no bias of its own.
    """
    for lstm in (bilstm.forward_lstm, bilstm.backward_lstm):
        cell = lstm.cell
        # One initialiser each: a shared one would give equal values to weights of equal shape.
        cell.kernel_initializer = width_initializer(cell.units)
        cell.recurrent_initializer = width_initializer(cell.units)
        cell.bias_initializer = width_initializer(cell.units)
        cell.unit_forget_bias = False
