"""`MaskedNetwork`: the feed-forward network of AGBAN's projector and of its modality classifier."""

from __future__ import annotations

import keras
from keras import ops

from agban_keras.layers.initializers import linear_initializer, width_initializer
from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_count, check_mask


@keras.saving.register_keras_serializable(package="agban_keras")
class MaskedNetwork(BaseLayer):
    """Apply dense layers with batch normalisation over the valid positions and relu between them.

    A batch without valid positions (posts without pictures) leaves the moving statistics unchanged.

    Args:
        hidden: widths of the inner layers.
        units: width of the output.
    """

    def __init__(self, hidden: tuple[int, ...], units: int, **kwargs) -> None:
        for width in hidden:
            check_count("hidden", width)
        check_count("units", units)
        super().__init__(**kwargs)
        self.hidden = tuple(hidden)
        self.units = units
        policy = self.dtype_policy
        self.inner = [self._dense(width) for width in self.hidden]
        # The released code's settings, in Keras' terms.
        self.norms = [keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=policy) for _ in self.hidden]
        self.outer = self._dense(units)

    def build(self, input_shape) -> None:
        shape = tuple(input_shape)
        for dense, norm in zip(self.inner, self.norms, strict=True):
            dense.build(shape)
            shape = (*shape[:-1], dense.units)
            norm.build(shape)
        self.outer.build(shape)

    def call(self, inputs, mask=None, training=None):
        check_mask("mask", mask, "inputs", inputs)
        for dense, norm in zip(self.inner, self.norms, strict=True):
            inputs = ops.relu(_normalise(norm, dense(inputs), mask, training))
        return self.outer(inputs)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def _dense(self, units: int) -> keras.layers.Dense:
        return keras.layers.Dense(units, kernel_initializer=linear_initializer(), dtype=self.dtype_policy)


def _normalise(norm: keras.layers.BatchNormalization, inputs, mask, training):
    if mask is None or not training:
        return norm(inputs, mask=mask, training=training)
    statistics = norm.non_trainable_variables
    before = [ops.copy(ops.convert_to_tensor(statistic)) for statistic in statistics]
    outputs = norm(inputs, mask=mask, training=training)
    # Keras takes the mean and the variance of an empty set as zero, and moves towards them.
    there = ops.any(ops.cast(mask, "bool"))
    for statistic, value in zip(statistics, before, strict=True):
        statistic.assign(ops.where(there, ops.convert_to_tensor(statistic), value))
    return outputs


@keras.saving.register_keras_serializable(package="agban_keras")
class ReleasedNetwork(MaskedNetwork):
    """Apply a `MaskedNetwork` with biases initialised uniformly within `1 / sqrt(input width)`, like its matrices.

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
