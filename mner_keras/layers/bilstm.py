"""`BiLSTM`: an LSTM in both directions, over rows of any length, empty ones included."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mner_keras")
class BiLSTM(keras.layers.Layer):
    """A bidirectional LSTM for right-padded rows.

    Keras' own, and what it leaves open: padded steps give zeros, and a row without any step is allowed, which cuDNN's
    LSTM is not.

    Args:
        units: width of the output, half of it a direction.
        return_sequences: whether to return every step, or the last state of each direction.

    Call arguments:
        inputs: `[B, n, d]`.
        mask: bool `[B, n]`, true where a step stands; the valid steps come first.

    Returns:
        `[B, n, units]`, or `[B, units]`.

    Example:

    >>> BiLSTM(8)(np.ones((2, 5, 3)), mask=np.ones((2, 5), bool)).shape
    TensorShape([2, 5, 8])
    """

    def __init__(self, units: int, return_sequences: bool = True, **kwargs) -> None:
        if units % 2:
            raise ValueError(f"`units` must be even, half a direction. Received: units={units}")
        super().__init__(**kwargs)
        self.supports_masking = True
        self.units = units
        self.return_sequences = return_sequences
        lstm = keras.layers.LSTM(units // 2, return_sequences=return_sequences, dtype=self.dtype_policy)
        self.lstm = keras.layers.Bidirectional(lstm, dtype=self.dtype_policy)

    def build(self, inputs_shape) -> None:
        self.lstm.build(inputs_shape)

    def call(self, inputs, mask=None, training=None):
        if mask is None:
            return self.lstm(inputs, training=training)
        mask = ops.cast(mask, "bool")
        first = ops.arange(ops.shape(inputs)[1])[None] == 0
        outputs = self.lstm(inputs, mask=ops.logical_or(mask, first), training=training)
        there = mask if self.return_sequences else ops.any(mask, axis=1)
        return ops.where(there[..., None], outputs, ops.zeros_like(outputs))

    def compute_mask(self, inputs, previous_mask=None):
        return previous_mask if self.return_sequences else None

    def compute_output_shape(self, inputs_shape):
        return (*inputs_shape[:-1], self.units) if self.return_sequences else (inputs_shape[0], self.units)

    def get_config(self) -> dict:
        return {**super().get_config(), "units": self.units, "return_sequences": self.return_sequences}
