"""Estimates of a run's time and disk space, from timed steps."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from typing import Any

import keras

from mner_keras.data.datasets import Dataset, load_dataset
from mner_keras.papers.plan import PlannedRun
from mner_keras.run.config import RunConfig
from mner_keras.run.tagger_fit import TaggerFit

# Steps that are taken, and the last ones, which are timed: the first ones compile.
_STEPS, _TIMED = 24, 16
_BYTES = 4
# A feature CRF of Twitter-2015 takes about as much.
_SYSTEM_MEGABYTES = 20


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a run should take.

    Args:
        seconds: of training, dev scores included, at the epochs of its configuration.
        megabytes: of its folder.
    """

    seconds: float
    megabytes: float


class _Stopwatch(keras.callbacks.Callback):
    """Times the steps, and ends the epoch after a few."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # Reading the loss waits for the step.
        float((logs or {}).get("loss", 0.0))
        self.times.append(time.perf_counter())
        if len(self.times) >= _STEPS:
            self.model.stop_training = True


def estimate(run: PlannedRun) -> Estimate:
    """Time a few steps of a run, and return what the whole should take.

    Raises:
        InputError: data, features, vectors or arguments that do not fit.
    """
    config, data, model_class = run.config, load_dataset(run.config.data), run.entry.load_class()
    if not run.entry.is_keras:
        return _estimate_system(model_class, run.arguments, config, data)
    keras.utils.clear_session()
    training = TaggerFit(config, model_class, run.arguments, data, lambda line: None)
    watch = _Stopwatch()
    training.model.fit(
        data["train"], features=training.store, batch_size=config.batch_size, verbose=0, callbacks=[watch]
    )
    gaps = [after - before for before, after in zip(watch.times, watch.times[1:], strict=False)][-_TIMED:]
    step = statistics.fmean(gaps) if gaps else 0.0
    # A step forward takes about a third of a step of training, and dev batches hold twice the posts.
    batches = math.ceil(len(data["train"]) / config.batch_size)
    steps = batches + math.ceil(len(data["dev"]) / max(config.batch_size, 32)) * 2 / 3
    weights = training.model.count_params()
    slots = sum(math.prod(variable.shape) for variable in training.model.optimizer.variables)
    return Estimate(config.epochs * steps * step, (2 * weights + slots) * _BYTES / 1e6)


def _estimate_system(system_class: Any, arguments: dict[str, Any], config: RunConfig, data: Dataset) -> Estimate:
    """Time two short trainings of a system that is not a Keras model; the difference is the time of two epochs."""
    seconds = []
    for epochs in (1, 3):
        started = time.perf_counter()
        system_class(**arguments).fit(data["train"], data["dev"], epochs=epochs)
        seconds.append(time.perf_counter() - started)
    epoch = max(seconds[1] - seconds[0], 0) / 2
    return Estimate(seconds[0] + epoch * (config.epochs - 1), _SYSTEM_MEGABYTES)
