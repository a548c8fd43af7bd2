"""Pictures, what turns them into vectors, and the store that carries the vectors."""

from mner_keras.vision.extraction import PictureFeatures, extract_features
from mner_keras.vision.extractors import load_extractor
from mner_keras.vision.feature_store import FeatureStore
from mner_keras.vision.feature_writer import FeatureWriter
from mner_keras.vision.pictures import PictureError, PictureObjects, find_pictures, open_picture

__all__ = [
    "FeatureStore",
    "FeatureWriter",
    "PictureError",
    "PictureFeatures",
    "PictureObjects",
    "extract_features",
    "find_pictures",
    "load_extractor",
    "open_picture",
]
