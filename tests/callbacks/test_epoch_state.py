"""`EpochState`: every dropout is a function of (seed, epoch)."""

import types

import numpy as np

from mner_keras.callbacks import EpochState


def outputs(model, seed, epoch):
    """What the dropouts of two steps let through at the beginning of an epoch."""
    batches = types.SimpleNamespace(epoch=None)
    callback = EpochState(seed, batches)
    callback.set_model(model)
    callback.on_epoch_begin(epoch)
    assert batches.epoch == epoch
    ones = np.ones((8, 3), "float32")
    return [np.asarray(model(ones, training=True)) for _ in range(2)]


def test_the_same_seed_and_epoch_give_the_same_dropout_whatever_came_before(model):
    first = outputs(model, seed=1, epoch=3)
    assert not np.array_equal(first[0], first[1])
    for _ in range(3):
        model(np.ones((8, 3), "float32"), training=True)
    again = outputs(model, seed=1, epoch=3)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_another_epoch_or_seed_gives_another_dropout(model):
    first = outputs(model, seed=1, epoch=3)
    assert not np.array_equal(first[0], outputs(model, seed=1, epoch=4)[0])
    assert not np.array_equal(first[0], outputs(model, seed=2, epoch=3)[0])


def test_each_dropout_gets_numbers_of_its_own(model):
    outputs(model, seed=1, epoch=0)
    states = [
        np.asarray(layer.seed_generator.state).tolist() for layer in model.layers if hasattr(layer, "seed_generator")
    ]
    assert len(states) == 2
    assert states[0] != states[1]


def test_weights_and_the_optimisers_state_are_left_alone(model):
    model.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0)

    def state():
        return [np.asarray(v).copy() for v in (*model.weights, *model.optimizer.variables, *model.metrics_variables)]

    before = state()
    callback = EpochState(1, types.SimpleNamespace(epoch=None))
    callback.set_model(model)
    callback.on_epoch_begin(5)
    assert all(np.array_equal(a, b) for a, b in zip(before, state(), strict=True))
