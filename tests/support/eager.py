"""TensorFlow without graphs, which take longer to make than small models take to run."""

import contextlib


@contextlib.contextmanager
def run_eagerly():
    """Run what would be a graph of TensorFlow operation by operation."""
    import keras

    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
