"""`SelfAdaptiveIntegration`: HSN's gate between text and fusion features."""

from __future__ import annotations

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import check_choice


@keras.saving.register_keras_serializable(package="hsn_keras")
class SelfAdaptiveIntegration(BaseLayer):
    """Mix text and fusion features with a learnt weight for each token.

    Equations: `gamma = sigmoid(W H + U F + b)` (eq. 17), `O = gamma * H + (1 - gamma) * F` (eq. 18). A gamma near 1
    trusts the text, near 0 the fusion with the picture.

    Args:
        gate: `"token"` for one number per token, as the paper says ("n scalars"); `"feature"` for one per feature.

    Call arguments:
        text: H, `[B, n, d]`.
        fusion: F, `[B, n, d]`.
        return_gate: whether to return gamma as well.

    Returns:
        O, `[B, n, d]`; with `return_gate` also gamma, `[B, n, 1]` or `[B, n, d]`.

    Example:

    >>> text = fusion = np.ones((2, 7, 16))
    >>> SelfAdaptiveIntegration()(text, fusion).shape
    TensorShape([2, 7, 16])

    Reference:
        Tian et al., Neurocomputing 2021, section 3.4.
    """

    def __init__(self, gate: str = "token", **kwargs) -> None:
        check_choice("gate", gate, ("token", "feature"))
        super().__init__(**kwargs)
        self.gate = gate

    def build(self, text_shape, fusion_shape) -> None:
        if text_shape[-1] != fusion_shape[-1]:
            raise ValueError(
                "`text` and `fusion` must have the same width. "
                f"Received: text.shape={tuple(text_shape)}, fusion.shape={tuple(fusion_shape)}"
            )
        units = 1 if self.gate == "token" else text_shape[-1]
        self.text_gate = keras.layers.Dense(units, dtype=self.dtype_policy)
        self.fusion_gate = keras.layers.Dense(units, use_bias=False, dtype=self.dtype_policy)
        self.text_gate.build(text_shape)
        self.fusion_gate.build(fusion_shape)

    def call(self, text, fusion, return_gate=False):
        gamma = ops.sigmoid(self.text_gate(text) + self.fusion_gate(fusion))
        output = gamma * text + (1 - gamma) * fusion
        return (output, gamma) if return_gate else output
