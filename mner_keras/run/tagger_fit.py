"""`TaggerFit`: train a Keras model as a `RunConfig` says."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from mner_keras.callbacks import EpochState, RunCheckpoint
from mner_keras.data.batches import PostBatches
from mner_keras.data.datasets import Dataset
from mner_keras.data.encoder import PostEncoder, needed_words
from mner_keras.data.pipeline import as_dataset
from mner_keras.errors import InputError
from mner_keras.files import file_record
from mner_keras.run.config import RunConfig, dev_batch_size
from mner_keras.run.optimizer import make_optimizer
from mner_keras.tagger import Tagger
from mner_keras.text.vectors import read_vectors
from mner_keras.text.word_vectors import WordVectors
from mner_keras.vision.feature_store import NO_BLANK, FeatureStore


class TaggerFit:
    """A Keras model and its batches, ready to be trained; all that training reads has been read.

    Args:
        config: what to train.
        model_class: the model's class.
        arguments: the model's arguments.
        data: the posts.
        report: takes lines for a person.

    Attributes:
        store: the store of the pictures' features, `None` for none.

    Raises:
        InputError: features, vectors or arguments that do not fit.
    """

    def __init__(
        self,
        config: RunConfig,
        model_class: type[Tagger],
        arguments: dict[str, Any],
        data: Dataset,
        report: Callable[[str], None],
    ) -> None:
        self.config = config
        self.report = report
        self.encoder, self.store = _encoder(config, model_class, data, arguments, report)
        _check_types(data, self.encoder)
        try:
            self.model = model_class.from_encoder(self.encoder, **arguments)
        except InputError:
            raise
        except (TypeError, ValueError) as error:
            raise InputError(f"the model cannot be built: {str(error).partition(chr(10))[0]}") from error
        self.batches = PostBatches(
            self.encoder, data["train"], self.store, config.batch_size, shuffle=True, seed=config.seed
        )
        self.model.compile(optimizer=make_optimizer(config, len(self.batches)))
        # Posts of like length share a batch; F1 does not ask for their order.
        self.dev = PostBatches(self.encoder, sorted(data["dev"], key=len), self.store, dev_batch_size(config))
        self._epochs = (0, 0)
        if self.store is not None:
            for split, batches in {"train": self.batches, "dev": self.dev}.items():
                if batches.missing_pictures:
                    report(
                        f"{split}: {batches.missing_pictures:,} posts name a picture that the store lacks: "
                        "taken as none"
                    )

    def fit(self, folder: Path, resume: bool, callbacks: Sequence[keras.callbacks.Callback]) -> int:
        """Train; the best model by dev F1 lies in the folder afterwards. Returns its epoch, counted from 1."""
        config = self.config
        checkpoint = RunCheckpoint(folder, config.patience)
        finished = checkpoint.restore(self.model) if resume else 0
        if finished:
            self.report(f"resuming after epoch {finished}")
        if finished < config.epochs and not checkpoint.finished:
            self.model.fit(
                as_dataset(self.batches),
                validation_data=as_dataset(self.dev),
                initial_epoch=finished,
                epochs=config.epochs,
                verbose=0,
                callbacks=[EpochState(config.seed, self.batches), checkpoint, *callbacks],
            )
        self._epochs = (finished + 1, len(checkpoint.history))
        return checkpoint.best_epoch

    def record(self) -> dict[str, Any]:
        """What `provenance.json` says of the training."""
        vectors = self.encoder.vectors
        return {
            "precision": self.config.precision,
            "seed": self.config.seed,
            "features": None if self.store is None else {**self.store.attributes, **file_record(self.store.path)},
            "vectors": None
            if vectors is None
            else {
                "file": vectors.source,
                "kept": len(vectors.words),
                **file_record(self.config.vectors, vectors.sha256),
            },
            "parameters": self.model.count_params(),
            "steps_per_epoch": len(self.batches),
            "seconds_cover": "epochs {} to {} and the scores".format(*self._epochs),
        }


def find_features(config_features: str, model_class: type[Tagger], data: Dataset) -> str | None:
    """The store that a model reads: the one given, else the data set's own; `None` for none."""
    visual = model_class.encoder_defaults.get("visual")
    if visual is None:
        return None
    if config_features:
        return config_features
    own = data.features(visual)
    return None if own is None else os.fspath(own)


def _encoder(
    config: RunConfig,
    model_class: type[Tagger],
    data: Dataset,
    arguments: dict[str, Any],
    report: Callable[[str], None],
) -> tuple[PostEncoder, FeatureStore | None]:
    posts = list(data["train"])
    if config.transductive:
        posts += [*data["dev"], *data["test"]]
    vectors = None
    if config.vectors:
        fold = model_class.encoder_defaults.get("fold_digits", False)
        vectors = _read_vectors(config, needed_words(posts, fold))
        report(f"vectors: {len(vectors.words):,} of {vectors.source} kept, width {vectors.dim}")
        if vectors.num_broken:
            line, reason = vectors.broken_lines[0]
            report(
                f"vectors: {vectors.num_broken:,} broken lines left out, the first {config.vectors}:{line}: {reason}"
            )
    # Without pictures a model still needs a store's widths and its blank picture.
    path = find_features(config.features, model_class, data)
    store = None if path is None else FeatureStore(path)
    encoder = model_class.fit_encoder(posts, vectors, store, **model_class.encoder_options(arguments))
    blind = config.no_pictures or not arguments.get("pictures", True)
    if blind and encoder.visual is not None:
        encoder.visual = dataclasses.replace(
            encoder.visual, extractor=None, weights=None, weights_hash=None, options=None
        )
        store = None
    if encoder.visual is not None:
        report("pictures: " + ("none" if store is None else f"{len(store):,} in {store.path}"))
        if store is not None and store.lacks_blank and encoder.visual.kind == "regions":
            report(f"pictures: {NO_BLANK}")
    return encoder, store


def _check_types(data: Dataset, encoder: PostEncoder) -> None:
    """Raise `InputError` for a type of dev that the model does not learn: dev's loss could not be computed."""
    unknown = {tag for post in data["dev"] for tag in post.tags or ()}.difference(encoder.tags)
    if unknown:
        raise InputError(
            f"expected tags of {', '.join(encoder.types)}, the types of the training posts; found "
            f"{', '.join(sorted(unknown))}. Mend them, or learn the types of all splits with --transductive",
            data.path("dev"),
        )


def _read_vectors(config: RunConfig, needed: set[str]) -> WordVectors:
    try:
        return read_vectors(config.vectors, needed, config.max_vectors)
    except OSError as error:
        found = {FileNotFoundError: "no such file", IsADirectoryError: "a folder"}.get(type(error), error.strerror)
        raise InputError(f"expected a file of word vectors, found {found}", config.vectors) from None
