"""`WeightNormDense`: a linear layer whose matrix is a length times a direction."""

from __future__ import annotations

import keras
from keras import ops

from agban_keras.layers.initializers import linear_initializer, width_initializer
from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_count


@keras.saving.register_keras_serializable(package="agban_keras")
class WeightNormDense(BaseLayer):
    """Apply a weight-normalised linear layer, with dropout before it and an activation after it.

    Equation: `y = f(x (s U / |U|) + b)`, with the norm over all entries of U: one number s is the length of the whole
    matrix. It is initialised to |U|, where the layer is a plain linear one.

    Args:
        units: width of the output.
        activation: f; by default none.
        dropout: rate on the inputs.

    Call arguments:
        inputs: `[..., d]`.

    Returns:
        `[..., units]`.

    Example:

    >>> WeightNormDense(8, activation="relu")(np.ones((2, 3, 4))).shape
    TensorShape([2, 3, 8])

    Reference:
        Salimans & Kingma, "Weight normalization", NIPS 2016.
    """

    def __init__(self, units: int, activation: str | None = None, dropout: float = 0.0, **kwargs) -> None:
        check_count("units", units)
        super().__init__(**kwargs)
        self.units = units
        self.activation = activation
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, inputs_shape) -> None:
        width = inputs_shape[-1]
        self.direction = self.add_weight(
            name="direction", shape=(width, self.units), initializer=linear_initializer(), autocast=False
        )
        self.length = self.add_weight(name="length", shape=(), initializer=self._norm, autocast=False)
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer=width_initializer(width))

    def call(self, inputs, training=None):
        direction = ops.convert_to_tensor(self.direction)
        kernel = direction * (self.length / ops.norm(direction))
        outputs = ops.matmul(self.dropout(inputs, training=training), ops.cast(kernel, self.compute_dtype))
        return keras.activations.get(self.activation)(outputs + self.bias)

    def compute_output_shape(self, inputs_shape):
        return (*inputs_shape[:-1], self.units)

    def _norm(self, shape, dtype=None):
        return ops.cast(ops.norm(ops.convert_to_tensor(self.direction)), dtype)
