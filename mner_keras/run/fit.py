"""Train a model by its `RunConfig`: `TaggerFit`, with `RunCheckpoint`, for Keras models; `SystemFit` for others."""

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from mner_keras.data.batches import check_pictures, count_missing
from mner_keras.data.datasets import SPLITS, Dataset
from mner_keras.data.post import entity_spans
from mner_keras.data.preprocessor import PostPreprocessor, needed_words
from mner_keras.errors import InputError, TrainingDiverged, counted
from mner_keras.files import Report, file_record, report_nothing, write_json, write_whole
from mner_keras.run.config import RunConfig, check_arguments, split_arguments
from mner_keras.tagged_post import System
from mner_keras.tagger import Tagger
from mner_keras.text.vectors import read_vectors
from mner_keras.vision.feature_store import NO_BLANK, FeatureStore

STATE = "state.json"
FEW = 200  # training posts, below which a warning appears


class RunCheckpoint(keras.callbacks.Callback):
    """Keep the best model by dev F1, the history, and a checkpoint to resume from, after each epoch.

    In the run's folder: `model.keras`, the best model without the optimiser's state; `history.csv`, one row per
    epoch with scores in percent; `checkpoint/`, the last epoch's weights with the optimiser's state, and `state.json`,
    which names them. Each file is renamed when it is complete, so that a killed process leaves the last complete ones.
    Training stops after `patience` epochs without a better dev F1; 0 for never. A file that cannot be written raises
    `InputError`, and a loss that is NaN or infinite `TrainingDiverged`.
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


class TaggerFit:
    """A Keras model and its posts, which have tags, ready to train; all input files have been read.

    `store` is the store of the pictures' features, `None` for none. Incompatible input raises `InputError`.
    """

    def __init__(self, config: RunConfig, data: Dataset, report: Report = report_nothing) -> None:
        self.config, self.data, self.report = config, data, report
        model_class = config.entry.load_class()
        first, rest = split_arguments(model_class, config.all_arguments)
        with _building(model_class, config):
            self.preprocessor, self.store = self._read_inputs(model_class, first)
            unknown = {tag for post in data["dev"] for tag in post.tags or ()}.difference(self.preprocessor.tags)
            if unknown:  # dev's loss could not be computed
                expected = f"expected tags of {', '.join(self.preprocessor.types)}, the types of the training posts"
                hint = "Correct them, or learn the types of all splits with --transductive"
                raise InputError(f"{expected}; found {', '.join(sorted(unknown))}. {hint}", data.path("dev"))
            for split in SPLITS:
                check_pictures(data[split], self.store, f"the {split} posts")
            self.model = model_class(self.preprocessor, **rest)
        self.model.compile(training=config.training)
        if len(data["train"]) < FEW:
            few = counted(len(data["train"]), "post")
            report(f"train: warning: {few}; a model learns little from fewer than {FEW}")
        if not any(entity_spans(post.tags) for post in data["dev"]):
            report("dev: warning: no post has an entity, so dev F1 is always 0 and no best epoch can be chosen")
        if self.store is not None:
            for split in ("train", "dev"):
                if missing := count_missing(data[split], self.store):
                    report(f"{split}: {missing:,} posts name a picture missing from the store: treated as none")

    def _read_inputs(
        self, model_class: type[Tagger], options: dict[str, Any]
    ) -> tuple[PostPreprocessor, FeatureStore | None]:
        config, data, report = self.config, self.data, self.report
        posts = list(data["train"])
        other_posts = [*data["dev"], *data["test"]] if config.transductive else []
        vectors = None
        if config.vectors:
            fold = model_class.preprocessing.get("fold_digits", False)
            try:
                vectors = read_vectors(config.vectors, needed_words([*posts, *other_posts], fold), config.max_vectors)
            except OSError as error:
                kinds = {FileNotFoundError: "no such file", IsADirectoryError: "a folder"}
                found = kinds.get(type(error), error.strerror)
                raise InputError(f"expected a file of word vectors, found {found}", config.vectors) from None
            report(f"vectors: {len(vectors.words):,} of {vectors.source} kept, width {vectors.dim}")
            if vectors.num_broken:
                line, reason = vectors.broken_lines[0]
                first = f"{config.vectors}:{line}: {reason}"
                report(f"vectors: {vectors.num_broken:,} broken lines ignored, the first {first}")
        # Without pictures, a model still needs the feature sizes and the blank picture of a store.
        path = config.find_features(data)
        store = None if path is None else FeatureStore(path)
        if config.no_pictures:
            options = {**options, "pictures": False}
        preprocessor = model_class.fit_preprocessor(posts, vectors, store, other_posts=other_posts, **options)
        store = store if preprocessor.reads_store and not config.no_pictures else None
        if preprocessor.visual is not None:
            report("pictures: " + ("none" if store is None else f"{len(store):,} in {store.path}"))
            if store is not None and store.lacks_blank and preprocessor.visual.kind == "regions":
                report(f"pictures: {NO_BLANK}")
        return preprocessor, store

    def fit(
        self, folder: Path, resume: bool, callbacks: Sequence[keras.callbacks.Callback]
    ) -> tuple[int, dict[str, Any]]:
        """Leave the best model by dev F1 in the folder; return its epoch, from 1, and entries of `provenance.json`."""
        config, vectors = self.config, self.preprocessor.vectors
        checkpoint = RunCheckpoint(folder, config.patience)
        finished = checkpoint.restore(self.model) if resume else 0
        if finished:
            self.report(f"resuming after epoch {finished}")
        if finished < config.epochs and not checkpoint.finished:
            settings = {"batch_size": config.batch_size, "seed": config.seed, "epochs": config.epochs, "verbose": 0}
            data = {"features": self.store, "validation_data": self.data["dev"]}
            callbacks = [checkpoint, *callbacks]
            self.model.fit(self.data["train"], **data, **settings, initial_epoch=finished, callbacks=callbacks)
        if vectors is not None:
            record = file_record(config.vectors, vectors.sha256)
            vectors = {"file": vectors.source, "kept": len(vectors.words), **record}
        return checkpoint.best_epoch, {
            "precision": config.precision,
            "seed": config.seed,
            "features": None if self.store is None else {**self.store.attributes, **file_record(self.store.path)},
            "vectors": vectors,
            "parameters": self.model.count_params(),
            "steps_per_epoch": math.ceil(len(self.data["train"]) / config.batch_size),
            "seconds_cover": f"epochs {finished + 1} to {len(checkpoint.history)} and the scores",
        }


class SystemFit:
    """A system that is not a Keras model, trained by one call of its `fit`, with the methods of `TaggerFit`.

    An interrupted training starts over when resumed; a finished one is not repeated. `history.csv` has one row per
    entry of the system's `history`, if it has one. Invalid arguments raise `InputError`.
    """

    store = None  # such a system reads no pictures

    def __init__(self, config: RunConfig, data: Dataset, report: Report = report_nothing) -> None:
        self.config, self.data, self.report = config, data, report
        system_class = config.entry.load_class()
        with _building(system_class, config):
            self.system = system_class(**config.all_arguments)

    def fit(self, folder: Path, resume: bool, callbacks: Sequence[Any]) -> tuple[int, dict[str, Any]]:
        """Train, and write the system's file to the folder. There is no best epoch (0), and no callback is called."""
        path = folder / self.config.entry.file
        settings = {name: getattr(self.config, name) for name in self.config.entry.settings or ()}
        trains = not (resume and path.exists())
        if resume:
            anew = "no finished training in the folder: starting from the beginning"
            self.report(anew if trains else "already trained")
        if trains:
            self.system.fit(self.data["train"], self.data["dev"], **settings)
            if history := getattr(self.system, "history", None):
                write_history(folder / "history.csv", history)
            # Written last: a run with this file is trained.
            write_whole(path, self.system.save)
        return 0, {
            "seed": settings.get("seed"),
            "features": None,
            "vectors": None,
            "parameters": getattr(self.system, "num_parameters", None) if trains else None,
            "seconds_cover": "the training and the scores" if trains else "the scores",
        }


@contextlib.contextmanager
def _building(system_class: type[System], config: RunConfig) -> Iterator[None]:
    """Report an argument that the model does not have or rejects as `InputError`."""
    check_arguments(system_class, config.arguments)
    try:
        yield
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"the model cannot be built: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def write_history(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write `history.csv`, with one row per epoch."""
    lines = [",".join(map(str, cells)) + "\n" for cells in (rows[-1], *(row.values() for row in rows))]
    write_whole(path, lambda unfinished: unfinished.write_text("".join(lines), encoding="utf-8"))
