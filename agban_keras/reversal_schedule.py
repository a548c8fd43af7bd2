"""`ReversalSchedule`: tells the gradient reversal layer how long the training is."""

from __future__ import annotations

import keras

from agban_keras.layers.gradient_reversal import GradientReversal


class ReversalSchedule(keras.callbacks.Callback):
    """Set the total number of training steps, epochs x steps an epoch, from what `fit` was called with.

    Args:
        reversal: the layer, with `strength="schedule"`.

    Raises:
        ValueError: the data has no known number of steps.
    """

    def __init__(self, reversal: GradientReversal) -> None:
        super().__init__()
        self.reversal = reversal

    def on_epoch_begin(self, epoch, logs=None) -> None:
        if self.reversal.strength != "schedule":
            return
        steps, epochs = self.params.get("steps"), self.params.get("epochs")
        if steps is None:
            raise ValueError(
                "lambda's schedule needs the number of steps an epoch: pass `steps_per_epoch` to `fit`, or build the "
                "model with a number for `reversal`"
            )
        self.reversal.set_total_steps(steps * epochs)
