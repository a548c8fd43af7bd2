"""`SystemFit`: train a system that is not a Keras model, as described by a `RunConfig`."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mner_keras.data.datasets import Dataset
from mner_keras.errors import InputError
from mner_keras.files import write_whole
from mner_keras.registry import find_model
from mner_keras.run.config import RunConfig
from mner_keras.tagged_post import System


class SystemFit:
    """A system, trained by one call of its `fit`. The arguments are those of `TaggerFit`.

    An interrupted training starts over when resumed; a finished one is not repeated. `history.csv` has one row per
    entry of the system's `history`, if it has one.

    Attributes:
        store: `None`; such a system reads no pictures.

    Raises:
        InputError: invalid arguments.
    """

    store = None

    def __init__(
        self,
        config: RunConfig,
        system_class: type[System],
        arguments: dict[str, Any],
        data: Dataset,
        report: Callable[[str], None],
    ) -> None:
        self.config = config
        self.data = data
        self.report = report
        try:
            self.system = system_class(**arguments)
        except InputError:
            raise
        except (TypeError, ValueError) as error:
            raise InputError(f"the model cannot be built: {str(error).partition(chr(10))[0]}") from error
        self._trained = False

    def fit(self, folder: Path, resume: bool, callbacks: Sequence[Any]) -> int:
        """Train, and write the system's file to the folder. Returns 0: there is no best epoch.

        Args:
            folder: the run's folder.
            resume: whether to keep an existing system's file.
            callbacks: Keras' callbacks, ignored here.
        """
        entry = find_model(self.config.model)
        path = folder / entry.file
        if resume and path.exists():
            self.report("already trained")
            return 0
        if resume:
            self.report("no finished training in the folder: starting from the beginning")
        settings = {name: getattr(self.config, name) for name in entry.settings or ()}
        self.system.fit(self.data["train"], self.data["dev"], **settings)
        self._trained = True
        history = getattr(self.system, "history", None)
        if history:
            write_whole(folder / "history.csv", lambda unfinished: _write_history(unfinished, history))
        # Written last: a run with this file is trained.
        write_whole(path, self.system.save)
        return 0

    def record(self) -> dict[str, Any]:
        """Return the training's entries of `provenance.json`."""
        settings = find_model(self.config.model).settings or ()
        return {
            "seed": self.config.seed if "seed" in settings else None,
            "features": None,
            "vectors": None,
            "parameters": getattr(self.system, "num_parameters", None) if self._trained else None,
            "seconds_cover": "the training and the scores" if self._trained else "the scores",
        }


def _write_history(path: Path, history: Sequence[dict[str, float]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
