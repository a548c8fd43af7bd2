"""Layers of the baselines."""

from mner_keras.baselines.layers.directional_self_attention import DirectionalSelfAttention
from mner_keras.baselines.layers.gates import FiltrationGate, GatedFusion, VisualModulation
from mner_keras.baselines.layers.guided_attention import GuidedAttention
from mner_keras.baselines.layers.modality_attention import ModalityAttention
from mner_keras.baselines.layers.pooled_char_cnn import PooledCharCNN
from mner_keras.baselines.layers.selection import LastStates
from mner_keras.baselines.layers.singleton_dropout import SingletonDropout

__all__ = [
    "DirectionalSelfAttention",
    "FiltrationGate",
    "GatedFusion",
    "GuidedAttention",
    "LastStates",
    "ModalityAttention",
    "PooledCharCNN",
    "SingletonDropout",
    "VisualModulation",
]
