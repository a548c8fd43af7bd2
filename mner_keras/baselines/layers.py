"""The layers of the baselines; each is in the module of its model."""

from mner_keras.baselines.adaptive_co_attention import FiltrationGate, GatedFusion, PooledCharCNN
from mner_keras.baselines.bilstm_crf import SingletonDropout
from mner_keras.baselines.disan import DirectionalSelfAttention
from mner_keras.baselines.guided_attention import GuidedAttention
from mner_keras.baselines.mner_ma import ModalityAttention
from mner_keras.baselines.vam import LastStates, VisualModulation

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
