"""`RunRecord`: what a finished run wrote of itself, read without its model and its data."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mner_keras.errors import InputError
from mner_keras.registry import find_model
from mner_keras.reproduce.measure import read_provenance
from mner_keras.run.config import RunConfig
from mner_keras.run.history import FILE as HISTORY
from mner_keras.run.history import read_history
from mner_keras.run.predictions import Prediction, read_predictions

METRICS = "metrics.json"
_SCORES = ("precision", "recall", "f1", "support")


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """A finished run's files.

    Args:
        folder: where it lies.
        config: what it was trained with.
        metrics: its scores on dev and test.
        history: a row for each epoch; empty for a system that keeps none.
        provenance: versions, backend, data, seconds.
        predictions: its tags of the test split.
    """

    folder: Path
    config: RunConfig
    metrics: Mapping[str, Any]
    history: list[dict[str, float]]
    provenance: Mapping[str, Any]
    predictions: list[Prediction]

    @classmethod
    def read(cls, folder: str | os.PathLike) -> RunRecord:
        """Read a run's folder.

        Raises:
            InputError: a file is missing or is not what a run writes.
        """
        folder = Path(folder)
        config = RunConfig.load(folder / "config.toml")
        # Systems that are no Keras models may keep no history.
        history = read_history(folder) if (folder / HISTORY).is_file() or find_model(config.model).is_keras else []
        provenance = read_provenance(folder)
        if not isinstance(provenance, dict):
            raise InputError("expected an object, found other JSON", folder / "provenance.json")
        return cls(folder, config, _metrics(folder / METRICS), history, provenance, read_predictions(folder))


def _metrics(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"expected the scores of a finished run; {error.strerror or error}", path) from None
    except ValueError:
        raise InputError("expected JSON, found something else", path) from None
    try:
        for split in ("dev", "test"):
            for row in (found[split]["micro"], *found[split]["types"].values()):
                for score in _SCORES:
                    float(row[score])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"expected {', '.join(_SCORES)} of dev and test, found other JSON", path) from None
    return found
