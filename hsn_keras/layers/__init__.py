"""HSN's layers, and their replacements in its ablations."""

from hsn_keras.layers.hierarchical_attention import HierarchicalAttention
from hsn_keras.layers.multi_head_general_attention import MultiHeadGeneralAttention
from hsn_keras.layers.multi_head_hierarchical_attention import MultiHeadHierarchicalAttention
from hsn_keras.layers.self_adaptive_integration import SelfAdaptiveIntegration

__all__ = [
    "HierarchicalAttention",
    "MultiHeadGeneralAttention",
    "MultiHeadHierarchicalAttention",
    "SelfAdaptiveIntegration",
]
