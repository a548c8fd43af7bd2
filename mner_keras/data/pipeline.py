"""Carry `PostBatches` to Keras: a `tf.data.Dataset`, or a `PyDataset` where there is no TensorFlow."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mner_keras.data.batches import PostBatches

PREFETCH = 4


def as_dataset(batches: PostBatches) -> Any:
    """The batches as a data set that `fit`, `evaluate` and `predict` take.

    Args:
        batches: their order follows `batches.epoch`, which each finished pass moves on.

    Returns:
        a `tf.data.Dataset` of known cardinality if TensorFlow is installed, else a `keras.utils.PyDataset`.
    """
    if importlib.util.find_spec("tensorflow") is None:
        return _py_dataset(batches)
    import tensorflow as tf

    def spec(array: np.ndarray) -> tf.TensorSpec:
        # Rows and tokens vary from batch to batch; characters, objects and widths do not.
        shape = (None, None, *array.shape[2:]) if array.ndim > 1 else (None,)
        return tf.TensorSpec(shape, array.dtype)

    inputs, tags = batches.batch(np.array([0]))
    signature = {
        key: tf.TensorSpec((None, *array.shape[1:]), array.dtype) if key.startswith("visual_") else spec(array)
        for key, array in inputs.items()
    }
    if tags is not None:
        signature = (signature, spec(tags))
    dataset = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(PREFETCH)


def _py_dataset(batches: PostBatches) -> Any:
    import keras

    class PostDataset(keras.utils.PyDataset):
        """The batches of one epoch by number; `on_epoch_end` moves on to the next."""

        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, index: int) -> Any:
            if self.order is None or self.order[0] != batches.epoch:
                self.order = (batches.epoch, batches.rows(batches.epoch))
            inputs, tags = batches.batch(self.order[1][index])
            # PyDataset reads a tuple as (inputs, targets).
            return (inputs,) if tags is None else (inputs, tags)

        def on_epoch_end(self) -> None:
            batches.epoch += 1

    dataset = PostDataset()
    dataset.order = None
    return dataset
