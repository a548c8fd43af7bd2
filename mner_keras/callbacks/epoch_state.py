"""`EpochState`: makes each epoch a function of (seed, epoch)."""

from __future__ import annotations

import keras
import numpy as np

from mner_keras.data.batches import PostBatches


class EpochState(keras.callbacks.Callback):
    """Set the order of the posts and the state of every dropout from (seed, epoch) when an epoch begins.

    A `.keras` file does not hold the states of the seed generators: without this, a resumed run would go on with other
    random numbers than the run that was never interrupted.

    Args:
        seed: the run's seed.
        batches: the training batches.
    """

    def __init__(self, seed: int, batches: PostBatches) -> None:
        super().__init__()
        self.seed = seed
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        self.batches.epoch = epoch
        # `variables` holds the seed generators' states, `weights` does not; metrics are neither of ours nor random.
        known = {id(variable) for variable in (*self.model.weights, *self.model.metrics_variables)}
        states = [variable for variable in self.model.variables if id(variable) not in known]
        for number, state in enumerate(states):
            if "seed" in state.path:
                rng = np.random.default_rng([self.seed, epoch, number])
                state.assign(
                    rng.integers(0, 2**31 - 1, state.shape).astype(keras.backend.standardize_dtype(state.dtype))
                )
