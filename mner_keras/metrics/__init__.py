"""Metrics over entities."""

from mner_keras.metrics.entity_f1 import EntityF1

__all__ = ["EntityF1"]
