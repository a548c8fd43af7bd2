"""Layers that move on some training steps only, on whatever backend the tests run."""

import keras
import numpy as np
import pytest
from layer_harness import to_numpy

from agban_keras.classifier_every import freeze_every, update_every


@pytest.mark.compiled
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize(
    ("gate", "expected"), [(update_every, [8, 16]), (freeze_every, [*range(1, 8), *range(9, 16), 17])]
)
def test_a_gated_layer_moves_on_its_steps_and_the_others_on_all(gate, expected, optimizer):
    first, second = keras.layers.Dense(3), keras.layers.Dense(1)
    model = keras.Sequential([keras.Input((4,)), first, second])
    model.compile(getattr(keras.optimizers, optimizer)(0.01, weight_decay=1e-3), loss="mse")
    gate(model.optimizer, second, 8)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4)).astype("float32"), rng.normal(size=(6, 1)).astype("float32")
    moved = {first: [], second: []}
    for step in range(1, 18):
        before = {layer: to_numpy(layer.kernel.value) for layer in moved}
        model.train_on_batch(x, y)
        for layer, steps in moved.items():
            if (to_numpy(layer.kernel.value) != before[layer]).any():
                steps.append(step)
    assert moved == {first: list(range(1, 18)), second: expected}
