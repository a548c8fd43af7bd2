"""Train a model as a `RunConfig` says, into a run's folder."""

from __future__ import annotations

import dataclasses
import inspect
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from mner_keras.callbacks import EpochState, RunCheckpoint
from mner_keras.data.batches import PostBatches
from mner_keras.data.datasets import Dataset, load_dataset
from mner_keras.data.encoder import PostEncoder, needed_words
from mner_keras.data.pipeline import as_dataset
from mner_keras.data.post import Post
from mner_keras.errors import InputError, did_you_mean
from mner_keras.registry import find_model
from mner_keras.run.config import RunConfig
from mner_keras.run.files import write_json
from mner_keras.run.provenance import environment
from mner_keras.run.scores import SCHEME, entity_scores
from mner_keras.saving import load
from mner_keras.tagger import Tagger
from mner_keras.text.vectors import read_vectors
from mner_keras.text.word_vectors import WordVectors
from mner_keras.vision.feature_store import FeatureStore

# Arguments of a model that the encoder gives.
_SIZES = {
    "num_tags",
    "vocabulary_size",
    "frozen_vocabulary_size",
    "char_vocabulary_size",
    "pos_vocabulary_size",
    "max_characters",
    "num_singletons",
    "visual_dim",
    "encoder",
    "name",
}


def train(
    config: RunConfig,
    folder: str | os.PathLike,
    resume: bool = False,
    overwrite: bool = False,
    callbacks: list[keras.callbacks.Callback] | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Train a model, keep the best one by dev F1, score it on dev and test.

    Args:
        config: what to train.
        folder: the run's folder; holds `config.toml`, `model.keras`, `metrics.json`, `history.csv`,
            `provenance.json` and `checkpoint/` afterwards.
        resume: whether to go on after the last checkpoint in the folder.
        overwrite: whether to empty the folder, once all that the run needs has been read.
        callbacks: further Keras callbacks.
        report: takes lines for a person: what was read, what is missing.

    Returns:
        what `metrics.json` holds: `best_epoch`, and for `dev` and `test` the scores of `entity_scores`.

    Raises:
        InputError: data, features, vectors or arguments that do not fit.
    """
    started = time.time()
    folder = Path(folder)
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    data = load_dataset(config.data)
    model_class = find_model(config.model).load_class()
    arguments = {**find_model(config.model).arguments, **config.arguments}
    check_arguments(model_class, arguments)
    encoder, store = _encoder(config, model_class, data, arguments, report)
    try:
        model = model_class.from_encoder(encoder, **arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"the model cannot be built: {str(error).partition(chr(10))[0]}") from error
    batches = PostBatches(encoder, data["train"], store, config.batch_size, shuffle=True, seed=config.seed)
    model.compile(optimizer=make_optimizer(config, len(batches)))
    # Posts of like length share a batch; F1 does not ask for their order.
    dev = PostBatches(encoder, sorted(data["dev"], key=len), store, max(config.batch_size, 32))
    _report_missing(report, {"train": batches, "dev": dev}, store)
    if overwrite:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    config.save(folder / "config.toml")
    checkpoint = RunCheckpoint(folder, config.patience)
    finished = checkpoint.restore(model) if resume else 0
    if finished:
        report(f"resuming after epoch {finished}")
    if finished < config.epochs and not checkpoint.finished:
        model.fit(
            as_dataset(batches),
            validation_data=as_dataset(dev),
            initial_epoch=finished,
            epochs=config.epochs,
            verbose=0,
            callbacks=[EpochState(config.seed, batches), checkpoint, *(callbacks or ())],
        )
    metrics: dict[str, Any] = {"model": config.model, "scheme": SCHEME, "best_epoch": checkpoint.best_epoch}
    best = load(folder / "model.keras")
    for split in ("dev", "test"):
        metrics[split] = evaluate(best, data[split], store)
    write_json(folder / "metrics.json", metrics)
    write_json(
        folder / "provenance.json",
        {
            **environment(),
            "precision": config.precision,
            "seed": config.seed,
            "data": {"name": data.name, "sha256": data.hashes()},
            "features": None if store is None else {**store.attributes, "sha256": store.sha256()},
            "vectors": _vectors_record(config, encoder.vectors),
            "parameters": model.count_params(),
            "steps_per_epoch": len(batches),
            "seconds": round(time.time() - started, 1),
            "seconds_cover": f"epochs {finished + 1} to {len(checkpoint.history)} and the scores",
        },
    )
    return metrics


def evaluate(
    model: Tagger, posts: list[Post], features: FeatureStore | str | os.PathLike | None = None
) -> dict[str, Any]:
    """Scores of a model on posts: `micro` and `types`, each with `precision`, `recall`, `f1` in percent, `support`.

    Args:
        model: the model.
        posts: posts with tags.
        features: the store of their pictures' features.

    Raises:
        InputError: a post has no tags.
    """
    if any(post.tags is None for post in posts):
        raise InputError("expected posts with tags to score against, found posts without")
    tagged = model.tag(posts, features)
    return entity_scores([post.tags for post in posts], [post.tags for post in tagged])


def make_optimizer(config: RunConfig, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The run's optimiser; its rate falls by epochs, `learning_rate / (1 + decay * epoch)`.

    Raises:
        InputError: Keras knows no such optimiser, or it takes no such setting.
    """
    rate: Any = config.learning_rate
    if config.learning_rate_decay:
        rate = keras.optimizers.schedules.InverseTimeDecay(
            rate, decay_steps=steps_per_epoch, decay_rate=config.learning_rate_decay, staircase=True
        )
    settings = {"learning_rate": rate}
    if config.weight_decay:
        settings["weight_decay"] = config.weight_decay
    if config.momentum:
        settings["momentum"] = config.momentum
    if config.gradient_clip:
        settings["global_clipnorm"] = config.gradient_clip
    known = {
        name.lower(): getattr(keras.optimizers, name)
        for name in dir(keras.optimizers)
        if inspect.isclass(getattr(keras.optimizers, name)) and name not in ("Optimizer", "LossScaleOptimizer")
    }
    if config.optimizer.lower() not in known:
        raise InputError(
            f"expected an optimiser of Keras ({', '.join(sorted(known))}), found {config.optimizer!r}."
            + did_you_mean(config.optimizer.lower(), known)
        )
    try:
        return known[config.optimizer.lower()](**settings)
    except (TypeError, ValueError) as error:
        raise InputError(f"the optimiser {config.optimizer!r} cannot be built: {error}") from error


def check_arguments(model_class: type[Tagger], arguments: dict[str, Any]) -> None:
    """Raise `InputError` for an argument that the model does not have or that the data sets."""
    known = set(inspect.signature(model_class.__init__).parameters) - _SIZES - {"self"}
    for name in arguments:
        if name not in known:
            raise InputError(
                f"expected an argument of {model_class.__name__} ({', '.join(sorted(known))}), found {name!r}."
                + did_you_mean(name, known)
            )


def find_features(config_features: str, no_pictures: bool, model_class: type[Tagger], data: Dataset) -> str | None:
    """The store that a model reads: the one given, else the data set's own; `None` for none."""
    visual = model_class.encoder_defaults.get("visual")
    if visual is None or no_pictures:
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
    path = find_features(config.features, False, model_class, data)
    store = None if path is None else FeatureStore(path)
    options = {"visual_count": arguments["num_objects"]} if "num_objects" in arguments else {}
    encoder = model_class.fit_encoder(posts, vectors, store, **options)
    blind = config.no_pictures or not arguments.get("pictures", True)
    if blind and encoder.visual is not None:
        encoder.visual = dataclasses.replace(
            encoder.visual, extractor=None, weights=None, weights_hash=None, options=None
        )
        store = None
    if encoder.visual is not None:
        report("pictures: " + ("none" if store is None else f"{len(store):,} in {store.path}"))
    return encoder, store


def _read_vectors(config: RunConfig, needed: set[str]) -> WordVectors:
    try:
        return read_vectors(config.vectors, needed, config.max_vectors)
    except OSError as error:
        raise InputError(f"expected a file of word vectors; {error.strerror or error}", config.vectors) from None


def _report_missing(report: Callable[[str], None], splits: dict[str, PostBatches], store: FeatureStore | None) -> None:
    if store is None:
        return
    for split, batches in splits.items():
        if batches.missing_pictures:
            report(f"{split}: {batches.missing_pictures:,} posts name a picture that the store lacks: taken as none")


def _vectors_record(config: RunConfig, vectors: WordVectors | None) -> dict[str, Any] | None:
    if vectors is None:
        return None
    return {"file": vectors.source, "sha256": vectors.sha256, "kept": len(vectors.words)}
