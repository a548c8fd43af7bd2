"""Train a model as described by a `RunConfig`: `TaggerFit` for Keras models, `SystemFit` for other systems."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from mner_keras.data.batches import check_pictures, count_missing
from mner_keras.data.datasets import SPLITS, Dataset
from mner_keras.data.post import entity_spans
from mner_keras.data.preprocessor import PostPreprocessor, needed_words
from mner_keras.errors import InputError, counted
from mner_keras.files import Report, file_record, report_nothing, write_whole
from mner_keras.run.checkpoint import RunCheckpoint, write_history
from mner_keras.run.config import RunConfig, check_arguments, split_arguments
from mner_keras.tagged_post import System
from mner_keras.tagger import Tagger
from mner_keras.text.vectors import read_vectors
from mner_keras.vision.feature_store import NO_BLANK, FeatureStore

FEW = 200  # training posts, below which a warning appears


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
        config, vectors, about_vectors = self.config, self.preprocessor.vectors, None
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
            about_vectors = {"file": vectors.source, "kept": len(vectors.words)}
            about_vectors |= file_record(config.vectors, vectors.sha256)
        return checkpoint.best_epoch, {
            "precision": config.precision,
            "seed": config.seed,
            "features": None if self.store is None else {**self.store.attributes, **file_record(self.store.path)},
            "vectors": about_vectors,
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
        raise InputError(f"the model cannot be built: {str(error).partition(chr(10))[0]}") from error
