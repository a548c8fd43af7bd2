"""Algorithm 1's z-steps: the modality classifier is updated once for every so many updates of the rest."""

from __future__ import annotations

import keras
from keras import ops


def update_every(optimizer: keras.optimizers.Optimizer, layer: keras.layers.Layer, every: int) -> None:
    """Let an optimizer move a layer's weights on one step of `every` only: the `every`-th, the `2 every`-th, ...

    On the other steps the weights are put back, whatever the optimizer did to them (weight decay and momentum
    included), while gradients still flow through the layer to what stands before it.

    Args:
        optimizer: a compiled model's optimizer; changed in place.
        layer: the layer.
        every: the period, in steps.
    """
    apply = optimizer.apply

    def apply_gated(grads, trainable_variables=None):
        on = ops.equal(ops.mod(ops.convert_to_tensor(optimizer.iterations) + 1, every), 0)
        before = [ops.copy(ops.convert_to_tensor(weight)) for weight in layer.trainable_variables]
        result = apply(grads, trainable_variables)
        for weight, value in zip(layer.trainable_variables, before, strict=True):
            weight.assign(ops.where(on, ops.convert_to_tensor(weight), value))
        return result

    optimizer.apply = apply_gated
