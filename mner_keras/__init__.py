"""Multimodal named entity recognition in Keras 3: the base of `hsn_keras` and `agban_keras`."""

import importlib

__version__ = "0.2.0"

# Imported on first use: `import keras` takes seconds, and `mner --help` must not.
_LAZY = {
    "CRF": "mner_keras.layers",
    "CRFModel": "mner_keras.crf_model",
    "EntityF1": "mner_keras.metrics",
    "FeatureStore": "mner_keras.vision",
    "InputError": "mner_keras.errors",
    "Post": "mner_keras.data",
    "PostPreprocessor": "mner_keras.data",
    "TagPosts": "mner_keras.scale.tag_posts",
    "TaggedPost": "mner_keras.tagger",
    "Tagger": "mner_keras.tagger",
    "load": "mner_keras.models",
    "load_dataset": "mner_keras.data",
    "read_vectors": "mner_keras.text",
    "show": "mner_keras.views",
}

__all__ = [*_LAZY, "__version__"]


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
