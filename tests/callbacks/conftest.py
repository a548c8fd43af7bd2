"""The callbacks are tested on a small model of Keras' own."""

import pytest


@pytest.fixture
def model():
    import keras

    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2),
            keras.layers.Dropout(0.5),
        ]
    )
    model.compile("adam", "mse", run_eagerly=True)
    return model
