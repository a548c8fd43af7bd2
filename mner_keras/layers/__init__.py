"""Layers shared by both papers' models, for use in any Keras model."""

from mner_keras.layers.base import masked_softmax
from mner_keras.layers.bilstm import BiLSTM
from mner_keras.layers.char_encoders import CharBiLSTM, CharCNN
from mner_keras.layers.constraints import Constraints, bio_constraints, bioes_constraints
from mner_keras.layers.crf import CRF, CRFDecode
from mner_keras.layers.token_vectors import FirstSubwords, Highway, WordEmbedding

__all__ = [
    "CRF",
    "CRFDecode",
    "BiLSTM",
    "CharBiLSTM",
    "CharCNN",
    "Constraints",
    "FirstSubwords",
    "Highway",
    "WordEmbedding",
    "bio_constraints",
    "bioes_constraints",
    "masked_softmax",
]
