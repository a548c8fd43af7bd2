"""`GradientReversal`: identity in the forward pass, gradient times minus lambda in the backward pass."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_strength


@keras.saving.register_keras_serializable(package="agban_keras")
class GradientReversal(BaseLayer):
    """Return the inputs and reverse their gradient.

    Equations (AGBAN eq. 24-25): `R(x) = x`, `dR/dx = -lambda I`.

    Args:
        strength: lambda, a number of at least 0; or `"schedule"`, which raises it with the training's progress p from
            0 to 1, `lambda = 2 / (1 + exp(-10 p)) - 1` (Ganin & Lempitsky 2015). The layer counts its training steps;
            `set_total_steps` sets their total, and without it lambda is 1.

    Call arguments:
        inputs: any shape.

    Returns:
        the inputs.

    Example:

    >>> float(GradientReversal()(np.float32(3.0)))
    3.0

    Reference:
        Ganin & Lempitsky, "Unsupervised domain adaptation by backpropagation", ICML 2015.
    """

    def __init__(self, strength: float | str = 1.0, **kwargs) -> None:
        check_strength("strength", strength, ("schedule",))
        super().__init__(**kwargs)

    def build(self, input_shape=None) -> None:
        if self.strength == "schedule":
            for name in ("step", "total_steps"):
                weight = self.add_weight(
                    name=name, shape=(), initializer="zeros", dtype="float32", trainable=False, autocast=False
                )
                setattr(self, name, weight)

    def set_total_steps(self, total_steps: int) -> None:
        """Set the total number of training steps: epochs x steps per epoch."""
        if self.strength == "schedule":
            self.total_steps.assign(total_steps)

    def current_strength(self):
        """Return lambda at the current step, a scalar."""
        if self.strength != "schedule":
            return ops.convert_to_tensor(self.strength, "float32")
        total = ops.convert_to_tensor(self.total_steps)
        progress = ops.where(total > 0, ops.convert_to_tensor(self.step) / ops.maximum(total, 1.0), 1.0)
        return ops.where(total > 0, 2.0 / (1.0 + ops.exp(-10.0 * progress)) - 1.0, 1.0)

    def call(self, inputs, training=None):
        strength = ops.cast(self.current_strength(), inputs.dtype)
        if training and self.strength == "schedule":
            self.step.assign(self.step + 1.0)

        @ops.custom_gradient
        def reverse(x):
            def grad(*args, upstream=None):
                return -strength * (args[0] if upstream is None else upstream)

            return x, grad

        return reverse(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_mask(self, inputs, previous_mask=None):
        return previous_mask
