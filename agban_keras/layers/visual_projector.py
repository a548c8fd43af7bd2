"""`VisualProjector`: projects detected objects to the text's space."""

from __future__ import annotations

import keras

from agban_keras.layers.masked_network import MaskedNetwork
from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_mask


@keras.saving.register_keras_serializable(package="agban_keras")
class VisualProjector(BaseLayer):
    """Apply a feed-forward network to each object, `v = f_V(object)` (AGBAN eq. 7).

    Dense layers with batch normalisation (over the valid objects) and relu between them. The paper leaves the network
    open; the widths and the normalisation are the released code's.

    Args:
        units: width of the output.
        hidden: widths of the layers before it.

    Call arguments:
        objects: `[B, k, f]`.
        mask: bool `[B, k]`, true for objects.

    Returns:
        `[B, k, units]`.

    Example:

    >>> VisualProjector(200)(np.ones((2, 3, 1024))).shape
    TensorShape([2, 3, 200])
    """

    def __init__(self, units: int, hidden: tuple[int, ...] = (512, 256), **kwargs) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.hidden = tuple(hidden)
        self.network = MaskedNetwork(self.hidden, units, dtype=self.dtype_policy)

    def build(self, objects_shape) -> None:
        self.network.build(objects_shape)

    def call(self, objects, mask=None, training=None):
        check_mask("mask", mask, "objects", objects)
        return self.network(objects, mask=mask, training=training)

    def compute_output_shape(self, objects_shape):
        return (*objects_shape[:-1], self.units)
