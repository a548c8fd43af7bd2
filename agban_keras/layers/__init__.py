"""AGBAN's layers."""

from agban_keras.layers.fusion import GatedBilinearAttention, ObjectConcatenation
from agban_keras.layers.networks import (
    GradientReversal,
    MaskedNetwork,
    ModalityClassifier,
    ReleasedModalityClassifier,
    ReleasedNetwork,
    VisualProjector,
)
from agban_keras.layers.released import ReleasedAttention, ReleasedCRF, WeightNormDense

__all__ = [
    "GatedBilinearAttention",
    "GradientReversal",
    "MaskedNetwork",
    "ModalityClassifier",
    "ObjectConcatenation",
    "ReleasedAttention",
    "ReleasedCRF",
    "ReleasedModalityClassifier",
    "ReleasedNetwork",
    "VisualProjector",
    "WeightNormDense",
]
