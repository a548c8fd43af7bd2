"""Callbacks of a training run."""

from mner_keras.callbacks.epoch_state import EpochState
from mner_keras.callbacks.run_checkpoint import RunCheckpoint

__all__ = ["EpochState", "RunCheckpoint"]
