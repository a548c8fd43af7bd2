"""What the tests of runs share."""

import pytest


@pytest.fixture(scope="session")
def deterministic():
    """Operations that give the same numbers on every run."""
    from mner_keras.cli.terminal import start_keras

    start_keras(deterministic=True)


@pytest.fixture
def model():
    """A model of Keras' own with two dropouts."""
    import keras

    layers = [keras.layers.Dense(4), keras.layers.Dropout(0.5), keras.layers.Dense(2), keras.layers.Dropout(0.5)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile("adam", "mse", run_eagerly=True)
    return model
