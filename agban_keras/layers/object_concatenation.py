"""`ObjectConcatenation`: AGBAN's baseline without attention."""

from __future__ import annotations

import keras
from keras import ops

from agban_keras.layers.initializers import linear_initializer
from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_count, check_mask


@keras.saving.register_keras_serializable(package="agban_keras")
class ObjectConcatenation(BaseLayer):
    """Add one vector of all objects to each token ("Object-Concat" in AGBAN's table III).

    Equation, from the paper's description of its variants: `M_i = t_i + relu([v_1; ...; v_k] W + b)`, zeros for missing
    objects. The paper leaves the activation of its "feed forward layer" open.

    Each object's place has its own weights: unlike attention, this layer depends on the order of the objects.

    Args:
        num_objects: the number of places, k; further objects are ignored.

    Call arguments:
        text: T, `[B, n, d]`.
        objects: V, `[B, m, d']`.
        object_mask: bool `[B, m]`, true for objects.

    Returns:
        M, `[B, n, d]`.

    Example:

    >>> words, objects = np.random.normal(size=(2, 7, 200)), np.random.normal(size=(2, 3, 200))
    >>> ObjectConcatenation(num_objects=3)(words, objects).shape
    TensorShape([2, 7, 200])

    Reference:
        Zheng et al., "Object-aware multimodal named entity recognition in social media posts with adversarial
        learning", IEEE TMM 2020, section IV, "Variants of Our Model".
    """

    def __init__(self, num_objects: int = 3, **kwargs) -> None:
        check_count("num_objects", num_objects)
        super().__init__(**kwargs)
        self.num_objects = num_objects

    def build(self, text_shape, objects_shape) -> None:
        self.dense = keras.layers.Dense(
            text_shape[-1], activation="relu", kernel_initializer=linear_initializer(), dtype=self.dtype_policy
        )
        self.dense.build((None, self.num_objects * objects_shape[-1]))

    def call(self, text, objects, object_mask=None):
        check_mask("object_mask", object_mask, "objects", objects)
        if object_mask is not None:
            objects = ops.where(ops.cast(object_mask, "bool")[..., None], objects, ops.zeros_like(objects))
        places = ops.pad(objects, ((0, 0), (0, self.num_objects), (0, 0)))[:, : self.num_objects]
        joined = ops.reshape(places, (-1, self.num_objects * objects.shape[-1]))
        return text + self.dense(joined)[:, None, :]

    def compute_output_spec(self, text, objects, object_mask=None):
        check_mask("object_mask", object_mask, "objects", objects)
        return keras.KerasTensor(text.shape, dtype=self.compute_dtype)
