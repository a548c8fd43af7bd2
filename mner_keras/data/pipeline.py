"""Pass `PostBatches` to Keras: as a `tf.data.Dataset`, or as a `PyDataset` without TensorFlow."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from mner_keras.data.batches import PostBatches

PREFETCH = 4


def as_dataset(batches: PostBatches) -> Any:
    """Return the batches as a data set for `fit`, `evaluate` and `predict`.

    Args:
        batches: their order follows `batches.epoch`, which each finished pass increments.

    Returns:
        a `tf.data.Dataset` of known cardinality if TensorFlow is installed, else a `keras.utils.PyDataset`.
    """
    if importlib.util.find_spec("tensorflow") is None:
        return _py_dataset(batches)
    import tensorflow as tf

    def flat(inputs: dict[str, np.ndarray], tags: np.ndarray | None) -> list[np.ndarray]:
        return [*inputs.values(), *([] if tags is None else [tags])]

    inputs, tags = batches.batch(np.array([0]))
    names = list(inputs)
    arrays = flat(inputs, tags)

    def load(number: np.ndarray) -> list[np.ndarray]:
        epoch = batches.epoch
        found = flat(*batches.numbered(int(number)))
        if number == len(batches) - 1:
            batches.epoch = epoch + 1
        return found

    def read(number: tf.Tensor) -> Any:
        tensors = tf.numpy_function(load, [number], [array.dtype for array in arrays])
        for name, tensor, array in zip([*names, "tags"], tensors, arrays, strict=False):
            # Rows and tokens vary from batch to batch; characters, objects and widths do not.
            fixed = 1 if name.startswith("visual_") else 2
            tensor.set_shape([None] * min(fixed, array.ndim) + list(array.shape[fixed:]))
        by_name = dict(zip(names, tensors, strict=False))
        return by_name if tags is None else (by_name, tensors[-1])

    options = tf.data.Options()
    # The autotuner's thread doubles its sleep each time, and an iterator that ends waits until it wakes: each pass
    # would take 2.56, 5.12, 10.24 ... seconds. There is nothing to tune here.
    options.autotune.enabled = False
    return tf.data.Dataset.range(len(batches)).map(read).prefetch(PREFETCH).with_options(options)


def _py_dataset(batches: PostBatches) -> Any:
    import keras

    class PostDataset(keras.utils.PyDataset):
        """The batches of one epoch by number; `on_epoch_end` starts the next."""

        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, index: int) -> Any:
            inputs, tags = batches.numbered(index)
            # PyDataset reads a tuple as (inputs, targets).
            return (inputs,) if tags is None else (inputs, tags)

        def on_epoch_end(self) -> None:
            batches.epoch += 1

    return PostDataset()
