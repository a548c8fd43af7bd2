"""AGBAN: the adversarial gated bilinear attention network (Zheng et al., IEEE TMM 2020) in Keras 3."""

from agban_keras.agban import AGBAN
from agban_keras.layers import (
    GatedBilinearAttention,
    GradientReversal,
    ModalityClassifier,
    ObjectConcatenation,
    VisualProjector,
)
from agban_keras.released import ReleasedAGBAN

__all__ = [
    "AGBAN",
    "GatedBilinearAttention",
    "GradientReversal",
    "ModalityClassifier",
    "ObjectConcatenation",
    "ReleasedAGBAN",
    "VisualProjector",
]
