"""Optimiser, learning rate, and the random numbers of each epoch."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import numpy as np
from keras import ops

from mner_keras.data.batches import PostBatches
from mner_keras.errors import InputError, check_known
from mner_keras.registry import Training


@keras.saving.register_keras_serializable(package="mner_keras")
class TrainingSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that falls from epoch to epoch, or rises over the first steps and then falls.

    With `decay`, the rate is `learning_rate / (1 + decay * epoch)`, epochs counted from 0. With `warmup`, it rises
    linearly over that share of all steps, then falls linearly to 0, which it would reach after the last step.

    Args:
        learning_rate: the rate of the first epoch, or the highest rate.
        steps_per_epoch: steps per epoch; the rate stays `learning_rate` until they are known.
        first_step: the optimiser's step at which the first epoch starts.

    Reference:
        Devlin, Chang, Lee & Toutanova, "BERT: pre-training of deep bidirectional transformers for language
        understanding", NAACL 2019, appendix A.2, for `warmup`.
    """

    def __init__(
        self,
        learning_rate: float,
        decay: float = 0.0,
        warmup: float = 0.0,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        first_step: int = 0,
    ) -> None:
        self.learning_rate, self.decay, self.warmup = learning_rate, decay, warmup
        self.steps_per_epoch, self.epochs, self.first_step = steps_per_epoch, epochs, first_step

    def __call__(self, step):
        if self.steps_per_epoch is None:
            return ops.convert_to_tensor(self.learning_rate, "float32")
        step = ops.cast(step, "float32") - self.first_step
        if not self.warmup:
            return self.learning_rate / (1 + self.decay * ops.floor(step / self.steps_per_epoch))
        steps = self.epochs * self.steps_per_epoch
        rising = round(self.warmup * steps)
        rise = (step + 1) / max(rising, 1)
        fall = (steps - step) / max(steps - rising, 1)
        return self.learning_rate * ops.clip(ops.minimum(rise, fall), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return dict(vars(self))


def make_optimizer(training: Training) -> keras.optimizers.Optimizer:
    """Return the optimiser that settings name; raise `InputError` if Keras has none such, or it has no such setting."""
    rate: Any = training.learning_rate
    if training.learning_rate_decay or training.warmup:
        rate = TrainingSchedule(rate, training.learning_rate_decay, training.warmup)
    settings = {"learning_rate": rate}
    # A decay below half a unit in the last place changes no float32 weight, and costs a pass over all of them (the 1e-8
    # of AGBAN's table II). AdamW decays by 0.004 by default.
    is_felt = training.weight_decay * training.learning_rate > np.finfo("float32").epsneg / 2
    if is_felt or training.optimizer.lower() == "adamw":
        settings["weight_decay"] = training.weight_decay
    if training.momentum:
        settings["momentum"] = training.momentum
    if training.gradient_clip:
        settings["global_clipnorm"] = training.gradient_clip
    known = {name.lower(): found for name, found in vars(keras.optimizers).items() if inspect.isclass(found)}
    del known["optimizer"], known["lossscaleoptimizer"]
    check_known("an optimiser of Keras", training.optimizer.lower(), sorted(known))
    if keras.backend.backend() == "tensorflow":
        from mner_keras.adam_tensorflow import FusedAdam

        known["adam"] = FusedAdam
    try:
        return known[training.optimizer.lower()](**settings)
    except (TypeError, ValueError) as error:
        raise InputError(f"the optimiser {training.optimizer!r} cannot be built: {error}") from error


def check_steps(steps_per_epoch: int | None, needed_by: str) -> None:
    """Raise `ValueError` if the number of steps per epoch, on which `needed_by` depends, is unknown (`None`)."""
    if steps_per_epoch is None:
        expected = f"`steps_per_epoch` must be given with data of unknown length: {needed_by} depends on it"
        raise ValueError(f"{expected}. Received: steps_per_epoch=None")


class TrainingState(keras.callbacks.Callback):
    """Prepare a `Tagger` for the length of its training, and make each epoch a function of (seed, epoch).

    A `.keras` file does not contain the states of the seed generators. Without this callback, a resumed training would
    use other random numbers than one that was never interrupted. Without `seed`, the states of the dropouts are left
    as they are; without `batches`, the data have an order of their own.
    """

    def __init__(self, initial_epoch: int, seed: int | None, batches: PostBatches | None) -> None:
        super().__init__()
        self.initial_epoch, self.seed, self.batches = initial_epoch, seed, batches

    def on_train_begin(self, logs=None) -> None:
        self.model.begin_training(self.params.get("steps"), self.params["epochs"], self.initial_epoch)

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        if self.batches is not None:
            self.batches.epoch = epoch
        if self.seed is None:
            return
        # `variables` contains the states of the seed generators, `weights` does not; no metric of ours is random.
        known = {id(variable) for variable in (*self.model.weights, *self.model.metrics_variables)}
        states = [variable for variable in self.model.variables if id(variable) not in known]
        for number, state in enumerate(states):
            if "seed" in state.path:
                numbers = np.random.default_rng([self.seed, epoch, number]).integers(0, 2**31 - 1, state.shape)
                state.assign(numbers.astype(keras.backend.standardize_dtype(state.dtype)))
