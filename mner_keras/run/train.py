"""Train a model as described by a `RunConfig`, in a run's folder."""

import contextlib
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mner_keras.data.batches import check_pictures
from mner_keras.data.datasets import SPLITS, load_dataset
from mner_keras.data.post import Post, check_iob2, entity_spans
from mner_keras.errors import InputError
from mner_keras.files import Lock, Report, package_versions, report_nothing, write_json, write_whole
from mner_keras.models import load
from mner_keras.replicas import device_names
from mner_keras.run.config import RunConfig
from mner_keras.run.fit import SystemFit, TaggerFit
from mner_keras.run.run import PREDICTIONS, SCHEME, entity_scores, write_predictions
from mner_keras.tagged_post import System, TaggedPost
from mner_keras.tagger import Tagger
from mner_keras.vision.feature_store import FeatureStore

LOCK = ".lock"
TEMPERATURES = (0.05, 20.0)  # the lowest and the highest
BINS = 10  # of scores, of equal width from 0 to 1
_PACKAGES = (
    *("mner-keras", "keras", "tensorflow", "jax", "torch", "numpy", "h5py", "nltk", "seqeval"),
    *("python-crfsuite", "keras-hub", "tokenizers"),
)


def train(
    config: RunConfig,
    folder: str | os.PathLike,
    resume: bool = False,
    overwrite: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    report: Report = report_nothing,
) -> dict[str, Any]:
    """Train a model, keep the best one by dev F1, score it on dev and test.

    The folder receives `config.toml`, the model (`model.keras`, or the registry's file name), `metrics.json`,
    `predictions.jsonl` (test split), `history.csv`, `provenance.json` and, for a Keras model, `checkpoint/`. `resume`
    continues after the last checkpoint in it; `overwrite` empties it after all inputs have been read.

    Returns:
        the content of `metrics.json`: `best_epoch` (0 without epochs to choose from), for `dev` and `test` the scores
            of `entity_scores`, and for a Keras model `calibration`: the `temperature` fitted on dev, and the
            `calibration` of the test split's scores `before` and `after`.

    Raises:
        InputError: incompatible data, features, vectors or arguments; another process is training this run.
    """
    started = time.time()
    folder = Path(folder)
    config, in_vain = config.without_unused()
    if in_vain:
        report(f"{config.model} ignores {', '.join(f'`{name}`' for name in in_vain)}")
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    data = load_dataset(config.data)
    entry = config.entry
    for split in SPLITS:
        _check_tagged(data[split], data.path(split))
    training = (TaggerFit if entry.is_keras else SystemFit)(config, data, report)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(Lock(folder / LOCK, "another process is training this run", folder)):
        for old in folder.iterdir() if overwrite else ():
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old, ignore_errors=True)
            elif old.name != LOCK:
                old.unlink()
        config.save(folder / "config.toml")
        best_epoch, about_training = training.fit(folder, resume, callbacks)
        metrics: dict[str, Any] = {"model": config.model, "scheme": SCHEME, "best_epoch": best_epoch}
        best = load(folder / entry.file)
        if isinstance(best, Tagger):
            saved, best.temperature = best.temperature, 1.0  # that of a finished run
        for split in ("dev", "test"):
            gold, tagged = [post.tags for post in data[split]], _tag(best, data[split], training.store)
            metrics[split] = entity_scores(gold, [post.tags for post in tagged])
        write_predictions(folder / PREDICTIONS, data["test"], [post.tags for post in tagged])
        if isinstance(best, Tagger):
            best.temperature = fit_temperature(best, data["dev"], training.store)
            if best.temperature != saved:
                write_whole(folder / entry.file, best.save)
            before, after = calibration(gold, tagged), calibration(gold, _tag(best, data["test"], training.store))
            metrics["calibration"] = {"temperature": best.temperature, "before": before, "after": after}
        write_json(folder / "metrics.json", metrics)
        inputs = {"data": {"name": data.name, "sha256": data.hashes()}, **about_training}
        seconds = round(time.time() - started, 1)
        write_json(folder / "provenance.json", {**_environment(), **inputs, "seconds": seconds})
        return metrics


def evaluate(
    model: System, posts: list[Post], features: FeatureStore | str | os.PathLike | None = None
) -> dict[str, Any]:
    """Return a model's `entity_scores` on posts with tags, whose pictures' features are in a store.

    Posts without tags, tags in IOB1, and a store with none of the posts' pictures raise `InputError`.
    """
    check_pictures(posts, features, "the posts")
    _check_tagged(posts)
    return entity_scores([post.tags for post in posts], [post.tags for post in _tag(model, posts, features)])


def _tag(model: System, posts: list[Post], features: FeatureStore | str | os.PathLike | None) -> list[TaggedPost]:
    return model.tag(posts) if features is None else model.tag(posts, features)


def _check_tagged(posts: list[Post], path: str | os.PathLike | None = None) -> None:
    """Raise `InputError` for a post without tags, or for tags that are not IOB2."""
    for number, post in enumerate(posts, start=1):
        if post.tags is None:
            raise InputError(f"expected posts with tags, found post {number:,} without", path)
    check_iob2((post.tags for post in posts), path)


def _environment() -> dict[str, Any]:
    """Return entries of `provenance.json`; without a checkout that the package runs from, there is no commit."""
    command, commit = ["git", "-C", os.path.dirname(os.path.abspath(__file__)), "rev-parse", "HEAD"], None
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        commit = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    return {
        "versions": {"python": platform.python_version(), **package_versions(_PACKAGES)},
        "backend": keras.backend.backend(),
        "devices": device_names(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "git_commit": commit,
    }


def fit_temperature(model: Tagger, posts: Sequence[Post], features: Any = None) -> float:
    """Return the temperature with the highest likelihood of the tags of posts that the model was not trained on.

    Reference:
        Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2.
    """
    from scipy.optimize import minimize_scalar

    rows = model.potentials(posts, features)
    tags = [model.preprocessor.tag_ids(post.tags) for post in posts]
    potentials, tags, mask = (
        keras.utils.pad_sequences(values, dtype=dtype, padding="post")
        for values, dtype in ((rows, "float32"), (tags, "int32"), ([np.ones(len(row)) for row in rows], "bool"))
    )

    def loss(logarithm: float) -> float:
        found = model.crf.log_likelihood(potentials, tags, mask, temperature=float(np.exp(logarithm)))
        return -float(np.mean(keras.ops.convert_to_numpy(found)))

    return float(np.exp(minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded").x))


def calibration(gold: Iterable[Sequence[str]], tagged: Iterable[TaggedPost]) -> dict[str, Any]:
    """Compare the scores of a model's entities with the share that is in the gold tags of the same posts, in percent.

    Returns:
        `error`, the expected calibration error: the mean, over the entities, of the difference between score and
            precision in their bin; and `bins`, those with entities: mean `score`, `precision`, number of `entities`.
    """
    pairs = [
        (entity.score, (entity.type, entity.start, entity.end) in spans)
        for spans, post in ((set(entity_spans(tags)), post) for tags, post in zip(gold, tagged, strict=True))
        for entity in post.entities
    ]
    scores, correct = np.array(pairs, "float64").reshape(-1, 2).T
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    count, score, precision = (np.bincount(place, x, BINS) for x in (np.ones_like(scores), scores, correct))
    return {
        "error": 100 * float(np.abs(score - precision).sum()) / max(len(scores), 1),
        "bins": [
            {"score": 100 * s / n, "precision": 100 * p / n, "entities": int(n)}
            for n, s, p in zip(count.tolist(), score.tolist(), precision.tolist(), strict=True)
            if n
        ],
    }
