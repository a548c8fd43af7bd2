"""`BaseLayer`: what layers with masks as call arguments have in common."""

from __future__ import annotations

import inspect

import keras


class BaseLayer(keras.layers.Layer):
    """Base of layers whose masks are call arguments: Keras' implicit masks end here.

    A subclass keeps each argument of its constructor as an attribute of the same name, from which `get_config` reads
    them, or adds it to `get_config`; tuples are saved as lists, a `Dropout` layer as its rate.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs, previous_mask=None):
        return None

    def get_config(self) -> dict:
        config = super().get_config()
        for name in inspect.signature(type(self).__init__).parameters:
            if name not in ("self", "kwargs") and hasattr(self, name):
                value = getattr(self, name)
                value = value.rate if isinstance(value, keras.layers.Dropout) else value
                config[name] = list(value) if isinstance(value, tuple) else value
        return config
