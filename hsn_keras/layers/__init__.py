"""The layers that HSN invented."""

from hsn_keras.layers.multi_head_hierarchical_attention import MultiHeadHierarchicalAttention
from hsn_keras.layers.self_adaptive_integration import SelfAdaptiveIntegration

__all__ = ["MultiHeadHierarchicalAttention", "SelfAdaptiveIntegration"]
