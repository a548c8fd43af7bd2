"""`Highway`: a dense layer with a learnt gate that carries its input through."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable(package="mner_keras")
class Highway(keras.layers.Layer):
    """Apply one highway layer.

    Equation: `y = t * relu(W x + b) + (1 - t) * x` with `t = sigmoid(W_t x + b_t)`. `b_t` is initialised to -1, so that
    the layer first carries its input through.

    Call arguments:
        inputs: `[..., d]`.

    Returns:
        `[..., d]`.

    Example:

    >>> Highway()(np.ones((2, 5, 8))).shape
    TensorShape([2, 5, 8])

    Reference:
        Srivastava, Greff & Schmidhuber, "Highway networks", 2015; HSN eq. 5.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape) -> None:
        width = input_shape[-1]
        self.transform = keras.layers.Dense(width, activation="relu", dtype=self.dtype_policy)
        self.gate = keras.layers.Dense(
            width,
            activation="sigmoid",
            bias_initializer=keras.initializers.Constant(-1.0),
            dtype=self.dtype_policy,
        )
        self.transform.build(input_shape)
        self.gate.build(input_shape)

    def call(self, inputs):
        gate = self.gate(inputs)
        return gate * self.transform(inputs) + (1 - gate) * inputs

    def compute_output_shape(self, input_shape):
        return input_shape
