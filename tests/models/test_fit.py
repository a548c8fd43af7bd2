"""`fit`, `evaluate`, `predict` and their kin on posts: what Keras' users expect, and one post's numbers in each."""

import keras
import numpy as np
import pytest
from layer_harness import to_numpy
from small_corpus import make_posts, make_world

import mner_keras
from mner_keras.registry import Training

pytestmark = pytest.mark.usefixtures("eagerly")

DECAYING = Training("sgd", 0.05, batch_size=10, learning_rate_decay=1.0, momentum=0.5)


@pytest.fixture(scope="module")
def worlds(corpus):
    return {name: make_world(name, corpus) for name in ("text", "agban")}


def make_model(world, training=None, **arguments):
    """A model with dropout, and for AGBAN the schedule of lambda."""
    model = world.build(dropout=0.3, **arguments)
    model.compile(training=training)
    return model


def fit(model, world, epochs=3, initial_epoch=0, callbacks=None, seed=5, **arguments):
    arguments = {"features": world.store, "batch_size": 8, "verbose": 0, **arguments}
    return model.fit(
        world.posts, epochs=epochs, initial_epoch=initial_epoch, callbacks=callbacks, seed=seed, **arguments
    )


def assert_same_training(one, other):
    for name in ("weights", "optimizer"):
        for a, b in zip(*(to_list(model, name) for model in (one, other)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def to_list(model, name):
    return [to_numpy(v.value) for v in (model.weights if name == "weights" else model.optimizer.variables)]


# === Fit ===


@pytest.mark.parametrize("name", ["text", "agban"])
def test_a_resumed_training_equals_one_without_interruption(worlds, name, tmp_path):
    """Dropout, the order of the posts, the falling rate, lambda and the classifier's steps depend on seed and epoch."""
    world = worlds[name]
    training = None if name == "agban" else DECAYING
    whole = make_model(world, training)
    history = fit(whole, world, validation_data=world.posts).history
    assert history["loss"][2] != history["loss"][1]
    assert set(history) >= {"loss", "val_loss", "val_f1"} and "f1" not in history

    # `initial_epoch`, from a file.
    first = make_model(world, training)
    fit(first, world, epochs=1)
    first.save(tmp_path / "first.keras")
    resumed = mner_keras.load(tmp_path / "first.keras")
    if name == "agban":
        # The length of the whole training was not known when the first epoch was trained with lambda's schedule.
        resumed = make_model(world, training)
        fit(resumed, world, callbacks=[stop_after(0)])
    fit(resumed, world, initial_epoch=1)
    assert_same_training(resumed, whole)

    # `BackupAndRestore`, in a process that begins anew.
    backup = tmp_path / "backup"
    interrupted = make_model(world, training)
    with pytest.raises(InterruptedError):
        fit(interrupted, world, callbacks=[keras.callbacks.BackupAndRestore(backup), interrupt(epoch=1)])
    again = make_model(world, training)
    logs = fit(again, world, callbacks=[keras.callbacks.BackupAndRestore(backup)])
    assert logs.epoch == [1, 2]
    assert_same_training(again, whole)


def stop_after(epoch):
    def stop(number, logs=None):
        if number == epoch:
            callback.model.stop_training = True

    callback = keras.callbacks.LambdaCallback(on_epoch_end=stop)
    return callback


def interrupt(epoch):
    """In the middle of an epoch."""

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, number, logs=None):
            self.number = number

        def on_train_batch_end(self, step, logs=None):
            if (self.number, step) == (epoch, 1):
                raise InterruptedError

    return Interrupt()


def test_the_seed_decides_order_and_dropout_and_a_new_fit_takes_a_new_one(worlds):
    world = worlds["text"]
    losses = [fit(make_model(world, DECAYING), world, epochs=1, seed=seed).history["loss"] for seed in (5, 5, 6, None)]
    assert losses[0] == losses[1]
    assert losses[2] not in (losses[0], losses[3])


def test_each_dropout_has_numbers_of_its_own_and_fit_leaves_the_global_ones(worlds):
    world = worlds["text"]
    model = make_model(world)
    fit(model, world, epochs=1)
    states = [v for v in model.variables if "seed" in v.path and v.path.endswith("state")]
    values = {tuple(np.ravel(to_numpy(state.value)).tolist()) for state in states}
    assert len(values) == len(states) >= 2


def test_validation_takes_posts_with_the_same_or_other_pictures(worlds):
    world, dev = worlds["agban"], make_posts("dev")
    model = make_model(world)
    losses = [
        fit(model, world, epochs=1, validation_data=data).history["val_loss"][0] - expected(model, dev, store)
        for data, store in ((dev, world.store), ((dev, None), None), ((dev, world.store), world.store))
    ]
    np.testing.assert_allclose(losses, 0, atol=1e-3)
    assert expected(model, dev, world.store) != pytest.approx(expected(model, dev, None), abs=1e-3)


def expected(model, posts, store):
    return model.evaluate(posts, features=store, batch_size=32, verbose=0)[0]


def test_what_fit_cannot_do_is_refused(worlds):
    world = worlds["agban"]
    model = make_model(world)
    with pytest.raises(ValueError, match="^`validation_split` must be 0 with posts: .*: validation_split=0.2$"):
        fit(model, world, validation_split=0.2)

    def batches():
        while True:
            yield world.batch(range(4))

    for optimizer, needed in ((None, "learning rate"), (keras.optimizers.Adam(), "lambda")):
        model.compile(optimizer)
        message = (
            f"^`steps_per_epoch` must be given with data of unknown length: the schedule of (the )?{needed} depends"
        )
        with pytest.raises(ValueError, match=message):
            model.fit(batches(), verbose=0)
        model.fit(batches(), steps_per_epoch=2, epochs=2, verbose=0)
        assert float(to_numpy(model.get_layer("gradient_reversal").total_steps.value)) == 4.0


def test_settings_of_a_training_beside_an_optimiser_are_refused(worlds):
    model = worlds["text"].build()
    with pytest.raises(ValueError, match="`training` must be None with an optimiser of its own"):
        model.compile("sgd", training=DECAYING)


def test_the_default_optimiser_is_the_papers_and_is_saved_as_such(worlds, tmp_path):
    world = worlds["agban"]
    model = make_model(world)
    rates = []
    record = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: rates.append(float(model.optimizer.learning_rate))
    )
    fit(model, world, epochs=2, callbacks=record, batch_size=None)
    assert rates == pytest.approx([0.005, 0.005 / 1.05])
    assert int(model.optimizer.iterations) == 4, "two epochs of two batches of 10"
    model.save(tmp_path / "model.keras")
    loaded = mner_keras.load(tmp_path / "model.keras")
    assert float(loaded.optimizer.learning_rate) == pytest.approx(0.005), (
        "the length of a training is known to `fit` alone"
    )
    rates.clear()
    model = loaded
    fit(loaded, world, epochs=1, callbacks=record)
    assert rates == pytest.approx([0.005]), "another fit starts anew"


# === Evaluate, predict and what takes posts ===


def test_evaluate_returns_what_keras_returns(worlds):
    world = worlds["text"]
    model = world.build()
    model.compile("sgd")
    found = model.evaluate(world.posts, verbose=0, return_dict=True)
    assert model.evaluate(world.posts, batch_size=5, verbose=0) == pytest.approx([found["loss"], found["f1"]], rel=1e-5)
    by_data = model.evaluate(world.preprocessor.dataset(world.posts), verbose=0, return_dict=True)
    assert by_data == pytest.approx(found, rel=1e-5)
    likelihoods = model.log_likelihood(world.posts, batch_size=3)
    assert likelihoods.shape == (20,)
    assert -likelihoods.mean() == pytest.approx(found["loss"], rel=1e-5)
    total = world.build(loss_reduction="sum")
    total.compile("sgd")
    assert total.test_on_batch(*world.batch(), return_dict=True)["loss"] == pytest.approx(20 * found["loss"], rel=1e-4)
    with pytest.raises(ValueError, match="`loss_reduction` must be 'mean' or 'sum'. Received: loss_reduction='none'"):
        world.build(loss_reduction="none")


class CountBatches(keras.callbacks.Callback):
    batches = 0

    def on_predict_batch_end(self, batch, logs=None):
        self.batches += 1


def test_predict_is_keras_own_and_potentials_takes_posts(worlds):
    world = worlds["agban"]
    model = world.build()
    inputs, _ = world.batch()
    mask = inputs["token_mask"]
    outputs = {name: to_numpy(value) for name, value in model(inputs).items()}
    count = CountBatches()
    from_arrays = model.predict(inputs, batch_size=7, verbose=0, callbacks=[count])
    assert count.batches == 3
    assert set(from_arrays) == set(model.output)
    for name, value in from_arrays.items():
        np.testing.assert_allclose(value, outputs[name], rtol=1e-4, atol=1e-5)
    data = world.preprocessor.dataset(world.posts, world.store, batch_size=5)
    from_data = model.predict(data, steps=2, verbose=0)["potentials"]
    np.testing.assert_allclose(from_data[mask[:10]], outputs["potentials"][:10][mask[:10]], rtol=1e-4, atol=1e-5)
    found = model.potentials(world.posts, world.store, batch_size=3)
    for row, (post, potentials) in enumerate(zip(world.posts, found, strict=True)):
        np.testing.assert_allclose(potentials, outputs["potentials"][row, : len(post)], rtol=1e-4, atol=1e-5)
