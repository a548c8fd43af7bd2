"""`RunCheckpoint`: keeps a run's best model and the state needed to resume."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from mner_keras.errors import InputError, TrainingDiverged
from mner_keras.files import write_json, write_whole

STATE = "state.json"


class RunCheckpoint(keras.callbacks.Callback):
    """Keep the best model by dev F1, the history, and a checkpoint to resume from, after each epoch.

    In the run's folder: `model.keras`, the best model without the optimiser's state; `history.csv`, one row per
    epoch with scores in percent; `checkpoint/`, the last epoch's weights with the optimiser's state, and `state.json`,
    which names them. Each file is renamed when it is complete, so that a killed process leaves the last complete ones.
    Training stops after `patience` epochs without a better dev F1; 0 for never.

    Raises:
        InputError: a file cannot be written (for example, because the disk is full).
        TrainingDiverged: the loss became NaN or infinite.
    """

    def __init__(self, folder: str | os.PathLike, patience: int = 0) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.checkpoint_folder = self.folder / "checkpoint"
        self.patience = patience
        self.history: list[dict[str, float]] = []
        self._best_model: keras.Model | None = None

    @property
    def best_epoch(self) -> int:
        """Return the first epoch with the highest dev F1, from 1; 0 before the first."""
        return max(self.history, key=lambda row: row["val_f1"])["epoch"] if self.history else 0

    @property
    def finished(self) -> bool:
        """Return whether patience has run out."""
        return bool(self.patience) and len(self.history) - self.best_epoch >= self.patience

    def restore(self, model: keras.Model) -> int:
        """Load the last checkpoint into a compiled model; return the finished epochs, or raise `InputError`."""
        state_path = self.checkpoint_folder / STATE
        if not state_path.exists():
            return 0
        try:
            state = json.loads(state_path.read_text(encoding="utf-8"))
            model.optimizer.build(model.trainable_variables)
            model.load_weights(self.checkpoint_folder / state["weights"])
            self.history = state["history"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = f"expected a checkpoint of this run, found one that does not load ({_first_line(error)})"
            raise InputError(problem, state_path) from error
        self._write_history()
        return len(self.history)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        row = {"epoch": epoch + 1, **{name: float(value) for name, value in sorted((logs or {}).items())}}
        if not math.isfinite(row["loss"]):
            hint = "A lower learning rate may help, unless a token has a tag outside the model's tags, such as -100"
            problem = f"the loss of epoch {epoch + 1} is {row['loss']}: training diverged. {hint}"
            raise TrainingDiverged(f"{problem}; the checkpoint before it is kept", self.folder)
        self.history.append(row)
        try:
            self._save(epoch)
        except (OSError, RuntimeError, ValueError) as error:
            problem = f"epoch {epoch + 1} could not be saved ({_first_line(error)}); the checkpoint before it is kept"
            raise InputError(problem, self.folder) from error
        if self.finished:
            self.model.stop_training = True

    def _save(self, epoch: int) -> None:
        self.checkpoint_folder.mkdir(parents=True, exist_ok=True)
        if self.best_epoch == len(self.history):
            write_whole(self.folder / "model.keras", self._save_best)
        weights = self.checkpoint_folder / f"epoch-{epoch + 1:04d}.weights.h5"
        write_whole(weights, self.model.save_weights)
        write_json(self.checkpoint_folder / STATE, {"weights": weights.name, "history": self.history})
        for old in self.checkpoint_folder.glob("epoch-*.weights.h5"):
            if old != weights:
                old.unlink()
        self._write_history()

    def _save_best(self, path: Path) -> None:
        # A copy that was never compiled: its file contains no optimiser state and no optimiser settings.
        if self._best_model is None:
            self._best_model = type(self.model).from_config(self.model.get_config())
        self._best_model.set_weights(self.model.get_weights())
        self._best_model.save(path)

    def _write_history(self) -> None:
        # Keras' logs have scores from 0 to 1; files have percentages.
        rows = [{name: 100 * v if name.endswith("f1") else v for name, v in row.items()} for row in self.history]
        write_history(self.folder / "history.csv", rows)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def write_history(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write `history.csv`, with one row per epoch."""
    lines = [",".join(map(str, cells)) + "\n" for cells in (rows[-1], *(row.values() for row in rows))]
    write_whole(path, lambda unfinished: unfinished.write_text("".join(lines), encoding="utf-8"))
