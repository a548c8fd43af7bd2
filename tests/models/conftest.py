"""What the tests of models share."""

import pytest


@pytest.fixture
def eagerly():
    """Without TensorFlow's compiler, which takes longer than the small models."""
    import keras

    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
