"""How long the runs of a plan should take, from timed steps, and how much disk."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Sequence
from typing import Any

import keras

from mner_keras.data.datasets import Dataset, load_dataset
from mner_keras.registry import find_model
from mner_keras.reproduce.plan import PlannedRun
from mner_keras.run.config import RunConfig
from mner_keras.run.tagger_fit import TaggerFit

# Steps that are taken, and of those the ones that are timed: the first compile.
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


def estimate(runs: Sequence[PlannedRun]) -> dict[str, Estimate]:
    """What each run should take, by its folder's name; runs that differ in the seed alone are timed once.

    Args:
        runs: runs that are not finished.

    Raises:
        InputError: data, features, vectors or arguments that do not fit.
    """
    timed: dict[str, Estimate] = {}
    found = {}
    for run in runs:
        key = run.folder.name.rpartition("-seed")[0]
        if key not in timed:
            timed[key] = _time(run.config)
        found[run.folder.name] = timed[key]
    return found


def _time(config: RunConfig) -> Estimate:
    entry = find_model(config.model)
    data = load_dataset(config.data)
    model_class = entry.load_class()
    arguments = {**entry.arguments, **config.arguments}
    if not entry.is_keras:
        return _time_system(model_class, arguments, config, data)
    keras.utils.clear_session()
    training = TaggerFit(config, model_class, arguments, data, lambda line: None)
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


def _time_system(system_class: Any, arguments: dict[str, Any], config: RunConfig, data: Dataset) -> Estimate:
    """A system that is no Keras model: two short trainings, and the difference is what an epoch takes."""
    seconds = []
    for epochs in (1, 3):
        started = time.perf_counter()
        system_class(**arguments).fit(data["train"], data["dev"], epochs=epochs)
        seconds.append(time.perf_counter() - started)
    epoch = max(seconds[1] - seconds[0], 0) / 2
    return Estimate(seconds[0] + epoch * (config.epochs - 1), _SYSTEM_MEGABYTES)
