"""`FinishedRun`: a run's folder, opened to be looked at."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mner_keras.errors import InputError
from mner_keras.run.config import RunConfig
from mner_keras.run.history import read_history
from mner_keras.run.predictions import FILE as PREDICTIONS
from mner_keras.run.predictions import read_predictions

if TYPE_CHECKING:
    from mner_keras.data.datasets import Dataset
    from mner_keras.data.post import Post
    from mner_keras.tagger import Tagger
    from mner_keras.vision.feature_store import FeatureStore


class FinishedRun:
    """A run's folder, or a model's file: its data, its pictures' features, its model, each read when it is asked for.

    Args:
        path: the run's folder, or a `.keras` file.
        data: another data set than the run's; for a file without a run, `sample` by default.
        features: another store of the pictures' features than the run's.

    Raises:
        InputError: no such folder, or a folder without a run in it.

    Example:

    >>> run = FinishedRun("runs/hsn-sample-1")
    >>> run.model.explain(run.dataset["test"][:2], run.store)
    """

    def __init__(self, path: str | os.PathLike, data: str = "", features: str = "") -> None:
        self.path = Path(path)
        self.config: RunConfig | None = None
        if self.path.is_dir():
            if not (self.path / "model.keras").exists():
                raise InputError("expected a run with a model.keras, found none", self.path)
            if (self.path / "config.toml").exists():
                self.config = RunConfig.load(self.path / "config.toml")
        elif not self.path.exists():
            raise InputError("expected a run's folder or a .keras file, found no such thing", self.path)
        own = self.config is not None and data in ("", self.config.data)
        self._data = data or (self.config.data if self.config else "sample")
        self._features = features or (self.config.features if own else "")
        self._no_pictures = own and self.config.no_pictures and not features

    @property
    def name(self) -> str:
        """The model's name: the registry's, else the class'."""
        return self.config.model if self.config is not None else self.class_name

    @cached_property
    def class_name(self) -> str:
        """The class of the model, read without loading it."""
        from mner_keras.saving import read_model_config

        path = self.path / "model.keras" if self.path.is_dir() else self.path
        return str(read_model_config(path).get("class_name"))

    @cached_property
    def dataset(self) -> Dataset:
        """The run's data."""
        from mner_keras.data.datasets import load_dataset

        return load_dataset(self._data)

    @cached_property
    def model(self) -> Tagger:
        """The run's best model."""
        from mner_keras.saving import load_tagger

        return load_tagger(self.path)

    @cached_property
    def store(self) -> FeatureStore | None:
        """The features of the posts' pictures; `None` for a model that sees none."""
        from mner_keras.run.tagger_fit import find_features
        from mner_keras.vision.feature_store import FeatureStore

        visual = self.model.preprocessor.visual
        unused = self._no_pictures or visual is None or not visual.pictures
        path = None if unused else find_features(self._features, type(self.model), self.dataset)
        return None if path is None else FeatureStore(path)

    def tags(self, split: str = "test") -> list[tuple[str, ...]]:
        """The run's tags for each post of a split: those that it wrote down, where it did, else the model's."""
        posts = self.dataset[split]
        written = self._written(posts) if split == "test" else None
        if written is not None:
            return written
        return [post.tags for post in self.model.tag(posts, self.store)]

    def history(self) -> list[dict[str, float]]:
        """What `history.csv` holds: the losses and scores of each epoch.

        Raises:
            InputError: no history, or one that is no table of numbers.
        """
        return read_history(self.path)

    def _written(self, posts: list[Post]) -> list[tuple[str, ...]] | None:
        """The tags in `predictions.jsonl`; `None` where there is no such file, or one of other posts."""
        if not (self.path / PREDICTIONS).is_file():
            return None
        found = read_predictions(self.path)
        fits = [row.tokens for row in found] == [post.tokens for post in posts]
        return [row.predicted for row in found] if fits else None
