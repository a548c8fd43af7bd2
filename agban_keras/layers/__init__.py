"""AGBAN's layers."""

from agban_keras.layers.gated_bilinear_attention import GatedBilinearAttention
from agban_keras.layers.gradient_reversal import GradientReversal
from agban_keras.layers.masked_network import MaskedNetwork, ReleasedNetwork
from agban_keras.layers.modality_classifier import ModalityClassifier, ReleasedModalityClassifier
from agban_keras.layers.object_concatenation import ObjectConcatenation
from agban_keras.layers.released_attention import ReleasedAttention
from agban_keras.layers.released_crf import ReleasedCRF
from agban_keras.layers.visual_projector import VisualProjector
from agban_keras.layers.weight_norm_dense import WeightNormDense

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
