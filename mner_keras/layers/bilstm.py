"""`BiLSTM`: an LSTM in both directions, over rows of any length."""

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer, full_mask
from mner_keras.layers.checks import TwoWay
from mner_keras.layers.kernels import has_kernel

SHORT = 8  # the steps to which JAX computes most rows: few tokens have more characters


@keras.saving.register_keras_serializable(package="mner_keras")
class BiLSTM(BaseLayer):
    """A bidirectional LSTM for right-padded rows, empty ones included.

    Two Keras LSTMs run without a mask, the second over each row's valid steps in reverse; padding comes after all
    valid steps. This permits the fused LSTM of a GPU, which rejects masks with empty rows. TensorFlow on a CPU and
    torch have a faster way to the same numbers, in a file each.

    Args:
        units: width of the output, half of it per direction.
        return_sequences: whether to return every step, or the last state of each direction.

    Call arguments:
        inputs: `[B, n, d]`.
        mask: bool `[B, n]`, true for valid steps, which come first.

    Returns:
        `[B, n, units]`, zeros at padded steps; or `[B, units]`, zeros for an empty row.

    Example:

    >>> BiLSTM(8)(np.ones((2, 5, 3)), mask=np.ones((2, 5), bool)).shape
    TensorShape([2, 5, 8])
    """

    def __init__(self, units: TwoWay, return_sequences: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.forward_lstm = keras.layers.LSTM(units // 2, return_sequences=True, dtype=policy, name="forward_lstm")
        self.backward_lstm = keras.layers.LSTM(units // 2, return_sequences=True, dtype=policy, name="backward_lstm")

    def build(self, inputs_shape) -> None:
        self.forward_lstm.build(inputs_shape)
        self.backward_lstm.build(inputs_shape)

    def call(self, inputs, mask=None, training=None):
        mask = full_mask(mask, inputs)
        length = ops.sum(ops.cast(mask, "int32"), axis=1)  # [B]
        inputs = ops.cast(inputs, self.compute_dtype)
        if self.return_sequences:
            there, states = mask[..., None], self._states(inputs, length, training)
        else:
            there, states = length[:, None] > 0, self._last_states(inputs, mask, length, training)
        return ops.where(there, states, ops.zeros_like(states))

    @property
    def kernel_weights(self) -> list:
        """Return kernel, recurrent kernel and bias of the forward LSTM, then of the backward one."""
        weights = [*self.forward_lstm.cell.weights, *self.backward_lstm.cell.weights]
        return [ops.convert_to_tensor(weight) for weight in weights]

    def _states(self, inputs, length, training):
        """Return the states at each step, `[B, n, units]`."""
        if has_kernel("tensorflow", self.compute_dtype):
            from mner_keras.layers import lstm_tensorflow

            return lstm_tensorflow.states(inputs, length, self.kernel_weights, bool(training))
        if has_kernel("torch", self.compute_dtype):
            from mner_keras.layers import lstm_torch

            return lstm_torch.run(inputs, length, self.kernel_weights, bool(training))[0]
        step = ops.arange(ops.shape(inputs)[1], dtype="int32")
        reverse = ops.where(step < length[:, None], length[:, None] - 1 - step, step)[..., None]  # [B, n, 1]
        forward = self.forward_lstm(inputs, training=training)
        backward = self.backward_lstm(ops.take_along_axis(inputs, reverse, axis=1), training=training)
        return ops.concatenate([forward, ops.take_along_axis(backward, reverse, axis=1)], axis=-1)

    def _last_states(self, inputs, mask, length, training):
        """Return the last state of each direction, `[B, units]`."""
        if has_kernel("tensorflow", self.compute_dtype) and inputs.shape[1] is not None:
            from mner_keras.layers import lstm_tensorflow

            packed = lstm_tensorflow.pack(mask)
            vectors = ops.take(ops.reshape(inputs, (-1, inputs.shape[-1])), packed[0], axis=0)
            return lstm_tensorflow.last_states(vectors, packed, ops.shape(inputs)[0], self.kernel_weights)
        if has_kernel("torch", self.compute_dtype):
            from mner_keras.layers import lstm_torch

            return lstm_torch.run(inputs, length, self.kernel_weights, bool(training))[1]
        if keras.backend.backend() == "jax" and inputs.shape[0] >= 8 and inputs.shape[1] > 2 * SHORT:
            return self._in_two_groups(inputs, length, training)
        return self._padded_last_states(inputs, length, training)

    def _in_two_groups(self, inputs, length, training):
        """Compute the longest quarter of the rows to their end, and the others to `SHORT` steps if none is longer.

        JAX computes padding like any step, and compiles a program for each shape.
        """
        order = ops.argsort(-length)
        long = -(-inputs.shape[0] // 4)

        def split():
            rows, lengths = ops.take(inputs, order, axis=0), ops.take(length, order)
            groups = (rows[:long], lengths[:long]), (rows[long:, :SHORT], lengths[long:])
            states = ops.concatenate([self._padded_last_states(*group, training) for group in groups], axis=0)
            return ops.take(states, ops.argsort(order), axis=0)

        fits = ops.take(length, order[long]) <= SHORT
        return ops.cond(fits, split, lambda: self._padded_last_states(inputs, length, training))

    def _padded_last_states(self, inputs, length, training):
        # The backward state at the first step has read the whole row.
        forward, backward = ops.split(self._states(inputs, length, training), 2, axis=-1)
        last = ops.take_along_axis(forward, ops.maximum(length - 1, 0)[:, None, None], axis=1)[:, 0]
        return ops.concatenate([last, backward[:, 0]], axis=-1)

    def compute_mask(self, inputs, previous_mask=None):
        return previous_mask if self.return_sequences else None

    def compute_output_shape(self, inputs_shape):
        return (*inputs_shape[:-1], self.units) if self.return_sequences else (inputs_shape[0], self.units)
