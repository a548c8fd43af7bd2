"""Optimisers, schedules, and the numbers of each epoch."""

import types

import keras
import numpy as np
import pytest

from mner_keras import InputError
from mner_keras.registry import MODELS, Training
from mner_keras.training import TrainingSchedule, TrainingState, make_optimizer


def dropouts(model, seed, epoch):
    """What the dropouts of two steps let through at the beginning of an epoch."""
    batches = types.SimpleNamespace(epoch=None)
    state = TrainingState(0, seed, batches)
    state.set_model(model)
    state.on_epoch_begin(epoch)
    assert batches.epoch == epoch
    ones = np.ones((8, 3), "float32")
    return [keras.ops.convert_to_numpy(model(ones, training=True)) for _ in range(2)]


def test_every_dropout_is_a_function_of_seed_and_epoch(model):
    first = dropouts(model, seed=1, epoch=3)
    assert not np.array_equal(*first)
    model.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0)
    before = [keras.ops.convert_to_numpy(v) for v in (*model.weights, *model.optimizer.variables)]
    model.set_weights([np.ones_like(weight) for weight in model.get_weights()])
    again = dropouts(model, seed=1, epoch=3)
    model.set_weights(before[: len(model.weights)])
    # The weights differ and the zeros do not.
    np.testing.assert_array_equal(again[0] == 0, first[0] == 0)
    assert not np.array_equal(first[0] == 0, dropouts(model, seed=1, epoch=4)[0] == 0)
    assert not np.array_equal(first[0] == 0, dropouts(model, seed=2, epoch=3)[0] == 0)
    after = [keras.ops.convert_to_numpy(v) for v in (*model.weights, *model.optimizer.variables)]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.is_keras])
def test_each_papers_optimiser_can_be_built_and_comes_back(name):
    optimizer = make_optimizer(MODELS[name].training)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()


def test_settings_reach_the_optimiser():
    optimizer = make_optimizer(MODELS["cnn-bilstm-crf"].training)
    assert (optimizer.momentum, optimizer.global_clipnorm) == (0.9, 5.0)
    assert float(optimizer.learning_rate) == pytest.approx(0.015)
    assert make_optimizer(MODELS["hsn"].training).global_clipnorm is None
    # Keras' own default for AdamW is another.
    assert make_optimizer(Training("adamw", 0.1)).weight_decay == 0.0
    with pytest.raises(InputError, match="the optimiser 'adam' cannot be built: "):
        make_optimizer(Training("adam", 0.1, momentum=0.5))
    with pytest.raises(InputError, match=r"^expected an optimiser of Keras \(.*\), found 'adm'. Did you mean 'adam'\?"):
        make_optimizer(Training("adm", 0.1))


def test_the_rate_falls_by_epochs_or_rises_and_falls_to_nothing():
    def rates(**settings):
        schedule = TrainingSchedule(2.0, steps_per_epoch=5, epochs=4, **settings)
        schedule = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
        return [float(schedule(step)) for step in range(21)]

    falling = [2 / (1 + 0.5 * (step // 5)) for step in range(21)]
    np.testing.assert_allclose(rates(decay=0.5), falling, rtol=1e-5)
    # Another training of the same optimiser begins with the first epoch.
    np.testing.assert_allclose(rates(decay=0.5, first_step=5)[5:], falling[:-5], rtol=1e-5)
    # Two of twenty steps up, the others down.
    expected = [0.5, 1.0, *(1 - i / 18 for i in range(19))]
    np.testing.assert_allclose(rates(warmup=0.1), 2 * np.array(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", [{"learning_rate_decay": 0.5}, {"warmup": 0.1}])
def test_the_rate_is_constant_until_the_number_of_steps_is_known(settings):
    optimizer = make_optimizer(Training("sgd", 0.25, **settings))
    for step in (0, 7):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == 0.25


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's fused operation")
def test_the_default_adam_is_that_of_keras():
    """Dense weights and the rows of a table, which have a sparse gradient."""
    ids = np.array([[1, 2, 2], [4, 0, 1]])

    def trained(optimizer):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.layers.Embedding(6, 4), keras.layers.Dense(2)])
        model.compile(optimizer, "mse")
        model.fit(ids, np.ones((2, 3, 2)), epochs=5, batch_size=1, verbose=0, shuffle=False)
        return model.get_weights()

    for one, other in zip(
        trained(make_optimizer(Training("adam", 0.01))), trained(keras.optimizers.Adam(0.01)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_decay_that_float32_cannot_show_is_left_out():
    assert make_optimizer(Training("sgd", 0.005, weight_decay=1e-8)).weight_decay is None
    assert make_optimizer(Training("sgd", 0.005, weight_decay=1e-4)).weight_decay == 1e-4
    weights = np.random.default_rng(0).normal(size=10_000).astype("float32")
    np.testing.assert_array_equal(weights - weights * np.float32(1e-8) * np.float32(0.005), weights)
