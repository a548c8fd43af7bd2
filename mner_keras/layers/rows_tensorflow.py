"""Reading rows of a table on TensorFlow."""

from __future__ import annotations

import tensorflow as tf


def gather(x, index):
    """Return `x[index]` of a tensor, or of a variable without reading all of it.

    A whole variable that is read is copied after each sparse update of it. Keras' `take` reads it, and needs three more
    operations for negative indices.
    """
    return tf.gather(x, index)
