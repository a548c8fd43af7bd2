"""HSN: the hierarchical self-adaptation network (Tian et al., Neurocomputing 2021) in Keras 3."""

from hsn_keras.hsn import HSN
from hsn_keras.layers import (
    BlankPicture,
    HierarchicalAttention,
    MultiHeadGeneralAttention,
    MultiHeadHierarchicalAttention,
    SelfAdaptiveIntegration,
)

__all__ = [
    "HSN",
    "BlankPicture",
    "HierarchicalAttention",
    "MultiHeadGeneralAttention",
    "MultiHeadHierarchicalAttention",
    "SelfAdaptiveIntegration",
]
