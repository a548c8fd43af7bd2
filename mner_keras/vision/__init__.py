"""Pictures, what turns them into vectors, and the store that carries the vectors."""

from mner_keras.vision.feature_store import FeatureStore

__all__ = ["FeatureStore"]
