"""`ObjectTagger`: the base of both forms of AGBAN."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.layers.checks import check_count
from mner_keras.tagger import Tagger
from mner_keras.training import check_steps
from mner_keras.vision.visual_input import MASK_RCNN_OBJECTS


class ObjectTagger(Tagger):
    """A tagger that reads the objects of a picture and may have a layer `gradient_reversal`."""

    preprocessing = {"use_pos": False, "fold_digits": True, "visual": MASK_RCNN_OBJECTS}

    @classmethod
    def fit_preprocessor(
        cls, posts, vectors=None, features=None, pictures: bool = True, num_objects: int = 3, **options: Any
    ) -> PostPreprocessor:
        """Return a `PostPreprocessor` with the paper's settings.

        Args:
            posts, vectors, features, pictures, options: as in `Tagger.fit_preprocessor`.
            num_objects: the number of objects read per picture, k, 1 to 5 in the paper.
        """
        check_count("num_objects", num_objects)
        visual = dataclasses.replace(MASK_RCNN_OBJECTS, count=num_objects)
        return super().fit_preprocessor(posts, vectors, features, pictures, **{"visual": visual, **options})

    def begin_training(self, steps_per_epoch, epochs, initial_epoch=0) -> None:
        super().begin_training(steps_per_epoch, epochs, initial_epoch)
        reversal = next((layer for layer in self.layers if layer.name == "gradient_reversal"), None)
        if reversal is not None and reversal.strength == "schedule":
            check_steps(steps_per_epoch, "the schedule of lambda")
            reversal.set_total_steps(steps_per_epoch * epochs)


def update_on(optimizer: keras.optimizers.Optimizer, layer: keras.layers.Layer, updates: Callable[[Any], Any]) -> None:
    """Update a layer's trained weights only on some training steps (algorithm 1's z-steps).

    On the other steps the weights are restored after the optimizer's update (weight decay and momentum included), while
    gradients still flow through the layer to the layers before it.

    Args:
        optimizer: a compiled model's optimizer; changed in place.
        layer: the layer; weights not trained by gradients, such as batch statistics, are updated on all steps.
        updates: whether to update on a step, counted from 1; takes and returns a tensor.
    """
    apply = optimizer.apply

    def apply_gated(grads, trainable_variables=None):
        on = updates(ops.convert_to_tensor(optimizer.iterations) + 1)
        before = [ops.copy(ops.convert_to_tensor(weight)) for weight in layer.trainable_variables]
        result = apply(grads, trainable_variables)
        for weight, value in zip(layer.trainable_variables, before, strict=True):
            weight.assign(ops.where(on, ops.convert_to_tensor(weight), value))
        return result

    optimizer.apply = apply_gated
