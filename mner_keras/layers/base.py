"""`BaseLayer` and `masked_softmax`: what layers with masks as call arguments have in common."""

import inspect

import keras
from keras import ops

from mner_keras.layers.checks import check_arguments, check_mask


class BaseLayer(keras.layers.Layer):
    """Base of layers whose masks are call arguments: Keras' implicit masks end here.

    Each argument of a subclass's constructor is checked by its annotation (`check_arguments`), becomes an attribute of
    the same name, and is saved, a tuple as a list. A call checks the shapes of its masks: `mask` masks the first
    argument, `text_mask` the argument `text`, `object_mask` the argument `objects`.
    """

    def __new__(cls, *args, **kwargs):
        layer = super().__new__(cls, *args, **kwargs)
        # Partially: copying calls `__new__` without arguments.
        arguments = inspect.signature(cls.__init__).bind_partial(layer, *args, **kwargs)
        arguments.apply_defaults()
        layer._arguments = {name: x for name, x in arguments.arguments.items() if name not in ("self", "kwargs")}
        return layer

    def __init__(self, **kwargs) -> None:
        check_arguments(type(self).__init__, self._arguments)
        super().__init__(**kwargs)
        self.supports_masking = True
        for name, value in self._arguments.items():
            setattr(self, name, value)

    def __call__(self, *args, **kwargs):
        names = list(inspect.signature(self.call).parameters)
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        for name, mask in given.items():
            if name.endswith("mask"):
                start = names[0] if name == "mask" else name.removesuffix("_mask")
                of = next((other for other in given if other.startswith(start) and other != name), None)
                if of is not None:
                    check_mask(name, mask, of, given[of])
        return super().__call__(*args, **kwargs)

    def add_dense(self, units: int, shape, **options) -> keras.layers.Dense:
        """Return a dense layer of this one's precision, built for inputs of a shape."""
        layer = keras.layers.Dense(units, dtype=self.dtype_policy, **options)
        layer.build(shape)
        return layer

    def compute_mask(self, inputs, previous_mask=None):
        return None

    def get_config(self) -> dict:
        own = {name: list(value) if isinstance(value, tuple) else value for name, value in self._arguments.items()}
        return {**super().get_config(), **own}


def full_mask(mask, tensor):
    """Return a mask as bool; for `None` one that is true at each position of the tensor, `[B, n, d]`."""
    return ops.ones_like(tensor[..., 0], dtype="bool") if mask is None else ops.cast(mask, "bool")


def masked_softmax(scores, mask, axis: int | tuple[int, ...] = -1):
    """Apply a softmax over the valid entries. Masked entries are 0; without a valid entry all are 0.

    Args:
        scores: any shape.
        mask: bool, broadcastable to the scores.
        axis: the axis or axes that sum to one.
    """
    lowest = -6e4 if keras.backend.standardize_dtype(scores.dtype) == "float16" else -1e9
    scores = ops.where(mask, scores, ops.cast(lowest, scores.dtype))
    if 0 in scores.shape:
        return scores
    # `initial`: the axis may turn out to be empty. Not on torch, where Keras puts it on the CPU and shapes are known.
    start = {} if keras.backend.backend() == "torch" else {"initial": lowest}
    highest = ops.stop_gradient(ops.max(scores, axis=axis, keepdims=True, **start))
    weights = ops.exp(scores - highest)
    weights = ops.where(mask, weights, ops.zeros_like(weights))
    total = ops.sum(weights, axis=axis, keepdims=True)
    return weights / ops.where(total > 0, total, ops.ones_like(total))
