"""Pictures, what turns them into vectors, and the store that carries the vectors."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mner_keras.vision.extraction import PictureFeatures, extract_features, load_extractor
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


def __getattr__(name: str):
    # Imported on first use: posts and batches need neither HDF5 nor Pillow.
    if name in __all__:
        for module in ("pictures", "feature_store", "feature_writer", "extraction"):
            found = vars(importlib.import_module(f"{__name__}.{module}"))
            if name in found:
                return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
