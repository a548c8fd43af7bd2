"""Devices, and losses over the replicas of a `tf.distribute` strategy; without one there is one replica."""

from typing import Any

import keras
import numpy as np
from keras import ops


def device_names() -> list[str]:
    """Return the devices that the backend computes on."""
    # Keras lists no devices of torch; a tensor names the one in use.
    is_torch = keras.backend.backend() == "torch"
    return [str(device) for device in ([ops.zeros(()).device] if is_torch else keras.distribution.list_devices())]


def num_replicas() -> int:
    """Return the number of replicas that compute the current step together."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return 1 if tf.distribute.in_cross_replica_context() else tf.distribute.get_strategy().num_replicas_in_sync


def sum_over_replicas(value):
    """Return the sum of a value over all replicas. No gradient flows through it."""
    value = ops.stop_gradient(value)
    if num_replicas() == 1:
        return value
    import tensorflow as tf

    return tf.distribute.get_replica_context().all_reduce("SUM", value)


def shared_loss(share):
    """Return the loss of a replica, given its share of a loss that is a sum over the replicas.

    Keras adds the replicas' gradients, and logs each replica's loss times their number, weighted by the replica's
    rows. So the gradient is that of the share, and the value is the same on every replica: the whole loss divided by
    the number of replicas.
    """
    replicas = num_replicas()
    if replicas == 1:
        return share
    return share - ops.stop_gradient(share) + sum_over_replicas(share) / replicas


def whole_loss(loss):
    """Return the value of the whole loss, given what `shared_loss` returned."""
    return ops.stop_gradient(loss) * num_replicas()


def without_bools(model: keras.Model, data: Any) -> Any:
    """Cast the bool arrays of data to int32 where the model's batches are split between replicas.

    Keras adds the first batch's arrays over the replicas, and TensorFlow cannot add bools. `data` are arrays in any
    structure, or a `tf.data.Dataset`; other data is returned as it is.
    """
    if keras.backend.backend() != "tensorflow" or model.distribute_strategy.num_replicas_in_sync == 1:
        return data
    import tensorflow as tf

    def cast(value):
        if not hasattr(value, "dtype") or keras.backend.standardize_dtype(value.dtype) != "bool":
            return value
        return value.astype("int32") if isinstance(value, np.ndarray) else ops.cast(value, "int32")

    if isinstance(data, tf.data.Dataset):
        return data.map(lambda *element: keras.tree.map_structure(cast, element if len(element) > 1 else element[0]))
    return keras.tree.map_structure(cast, data)
