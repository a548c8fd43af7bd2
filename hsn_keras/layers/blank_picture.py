"""`BlankPicture`: the same regions for every post."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from mner_keras.layers.checks import check_count


@keras.saving.register_keras_serializable(package="hsn_keras")
class BlankPicture(keras.layers.Layer):
    """The blank picture's regions for each row of a batch, whatever the row holds.

    "w/o VF" in HSN's table 5: "a blank picture tiled with a default constant" stands for every accompanying image. The
    features are a weight that is saved and not trained; they begin at zero.

    Args:
        count: regions of a picture, k.
        dim: their width, f.

    Call arguments:
        inputs: `[B, ...]`; only the number of rows is read.

    Returns:
        `[B, k, f]`.

    Example:

    >>> BlankPicture(count=49, dim=512)(np.ones((2, 7), bool)).shape
    TensorShape([2, 49, 512])

    Reference:
        Tian et al., Neurocomputing 2021, sections 4.2 and 4.4.3.
    """

    def __init__(self, count: int, dim: int, **kwargs) -> None:
        check_count("count", count)
        check_count("dim", dim)
        super().__init__(**kwargs)
        self.count = count
        self.dim = dim

    def build(self, input_shape=None) -> None:
        self.features = self.add_weight(
            name="features", shape=(self.count, self.dim), initializer="zeros", trainable=False
        )

    def load_features(self, features: np.ndarray) -> None:
        """Take over a blank picture's features, `[count, dim]`."""
        self.features.assign(features)

    def call(self, inputs):
        return ops.tile(ops.cast(self.features, self.compute_dtype)[None], (ops.shape(inputs)[0], 1, 1))

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((inputs.shape[0], self.count, self.dim), dtype=self.compute_dtype)

    def get_config(self) -> dict:
        return {**super().get_config(), "count": self.count, "dim": self.dim}
