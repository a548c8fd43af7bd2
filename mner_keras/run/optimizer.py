"""The optimiser of a run."""

from __future__ import annotations

import inspect
from typing import Any

import keras

from mner_keras.errors import InputError, did_you_mean
from mner_keras.run.config import RunConfig
from mner_keras.run.warm_up import WarmUp


def make_optimizer(config: RunConfig, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The run's optimiser; its rate falls by epochs, `learning_rate / (1 + decay * epoch)`, or follows `WarmUp`.

    Raises:
        InputError: Keras knows no such optimiser, or it takes no such setting.
    """
    rate: Any = config.learning_rate
    if config.learning_rate_decay:
        rate = keras.optimizers.schedules.InverseTimeDecay(
            rate, decay_steps=steps_per_epoch, decay_rate=config.learning_rate_decay, staircase=True
        )
    elif config.warmup:
        steps = config.epochs * steps_per_epoch
        rate = WarmUp(rate, round(config.warmup * steps), steps)
    settings = {"learning_rate": rate}
    # AdamW decays by 0.004 where nothing is said.
    if config.weight_decay or config.optimizer.lower() == "adamw":
        settings["weight_decay"] = config.weight_decay
    if config.momentum:
        settings["momentum"] = config.momentum
    if config.gradient_clip:
        settings["global_clipnorm"] = config.gradient_clip
    known = {
        name.lower(): getattr(keras.optimizers, name)
        for name in dir(keras.optimizers)
        if inspect.isclass(getattr(keras.optimizers, name)) and name not in ("Optimizer", "LossScaleOptimizer")
    }
    if config.optimizer.lower() not in known:
        raise InputError(
            f"expected an optimiser of Keras ({', '.join(sorted(known))}), found {config.optimizer!r}."
            + did_you_mean(config.optimizer.lower(), known)
        )
    try:
        return known[config.optimizer.lower()](**settings)
    except (TypeError, ValueError) as error:
        raise InputError(f"the optimiser {config.optimizer!r} cannot be built: {error}") from error
