"""HSN: the hierarchical self-adaptation network (Tian et al., Neurocomputing 2021) in Keras 3."""

from hsn_keras.hsn import HSN
from hsn_keras.layers import (
    HierarchicalAttention,
    MultiHeadGeneralAttention,
    MultiHeadHierarchicalAttention,
    SelfAdaptiveIntegration,
)

__all__ = [
    "HSN",
    "HierarchicalAttention",
    "MultiHeadGeneralAttention",
    "MultiHeadHierarchicalAttention",
    "SelfAdaptiveIntegration",
]
