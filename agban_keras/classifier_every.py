"""The training steps on which the modality classifier is updated: algorithm 1's z-steps, and the released code's."""

from __future__ import annotations

import keras
from keras import ops


def update_every(optimizer: keras.optimizers.Optimizer, layer: keras.layers.Layer, every: int) -> None:
    """Update a layer's weights only on every `every`-th training step.

    On the other steps the weights are restored after the optimizer's update (weight decay and momentum included), while
    gradients still flow through the layer to the layers before it.

    Args:
        optimizer: a compiled model's optimizer; changed in place.
        layer: the layer.
        every: the period, in steps.
    """
    _gate(optimizer, layer, lambda step: ops.equal(ops.mod(step, every), 0))


def freeze_every(optimizer: keras.optimizers.Optimizer, layer: keras.layers.Layer, every: int) -> None:
    """Keep a layer's weights on every `every`-th training step, and update them on the others.

    Args:
        optimizer: a compiled model's optimizer; changed in place.
        layer: the layer; weights not trained by gradients, such as batch statistics, are updated on all steps.
        every: the period, in steps.
    """
    _gate(optimizer, layer, lambda step: ops.not_equal(ops.mod(step, every), 0))


def _gate(optimizer, layer, moves) -> None:
    """Update a layer's weights on the steps, counted from 1, for which `moves` is true."""
    apply = optimizer.apply

    def apply_gated(grads, trainable_variables=None):
        on = moves(ops.convert_to_tensor(optimizer.iterations) + 1)
        before = [ops.copy(ops.convert_to_tensor(weight)) for weight in layer.trainable_variables]
        result = apply(grads, trainable_variables)
        for weight, value in zip(layer.trainable_variables, before, strict=True):
            weight.assign(ops.where(on, ops.convert_to_tensor(weight), value))
        return result

    optimizer.apply = apply_gated
