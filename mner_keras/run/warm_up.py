"""`WarmUp`: a learning rate that rises, then falls."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mner_keras")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """The rate rises linearly over the first steps, then falls linearly to 0, which it would reach after the last.

    `learning_rate * min((step + 1) / rising, (steps - step) / (steps - rising))`, steps counted from 0: what BERT is
    fine-tuned with.

    Args:
        learning_rate: the highest rate.
        rising: steps over which it rises.
        steps: all steps.

    Reference:
        Devlin, Chang, Lee & Toutanova, "BERT: pre-training of deep bidirectional transformers for language
        understanding", NAACL 2019, appendix A.2.
    """

    def __init__(self, learning_rate: float, rising: int, steps: int) -> None:
        self.learning_rate = learning_rate
        self.rising = rising
        self.steps = steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rise = (step + 1) / max(self.rising, 1)
        fall = (self.steps - step) / max(self.steps - self.rising, 1)
        return self.learning_rate * ops.clip(ops.minimum(rise, fall), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"learning_rate": self.learning_rate, "rising": self.rising, "steps": self.steps}
