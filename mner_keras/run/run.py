"""`Run`: a run's folder, opened for reading; the predictions in it, and precision, recall and F1 by seqeval."""

import dataclasses
import json
import math
import os
import warnings
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mner_keras.data.datasets import Dataset, load_dataset
from mner_keras.data.post import Post
from mner_keras.errors import InputError
from mner_keras.files import is_same_file, read_parsed, write_whole
from mner_keras.models import find_model_file, load_tagger, read_model_config, reads_store, visual_input
from mner_keras.run.config import RunConfig, free_arguments
from mner_keras.vision.feature_store import FeatureStore

if TYPE_CHECKING:
    from mner_keras.tagged_post import System
    from mner_keras.tagger import Tagger

CONFIG, HISTORY, METRICS, PROVENANCE = "config.toml", "history.csv", "metrics.json", "provenance.json"
PREDICTIONS = "predictions.jsonl"
SCHEMES = {"strict": "strict IOB2", "lenient": "lenient, as conlleval"}
"""The schemes for reading entities: `strict` opens one at `B-` only, `lenient` also at an `I-` after another type."""
SCHEME = SCHEMES["strict"]
_SCORES = ("precision", "recall", "f1", "support")


@dataclasses.dataclass(frozen=True)
class Prediction:
    """A post with its gold tags and a model's tags; without a picture, `image` is `None`."""

    image: str | None
    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    predicted: tuple[str, ...]


class Run:
    """A run's folder or a model's file. Each part is read when it is first used.

    `config` is the run's configuration; `None` for a model's file, or for a folder with nothing but a model.

    Args:
        path: the run's folder, a model's file, or `pretrained`.
        data: a data set that replaces the run's; a file without a run uses `sample` by default.
        features: a feature store that replaces the run's.
        no_pictures: whether to ignore the posts' pictures.

    Raises:
        InputError: there is no such file or folder, or the folder contains neither a run nor a model. Each part raises
            it for a missing or damaged file.

    Example:

    >>> run = Run("runs/hsn-sample-1")
    >>> run.metrics["test"]["micro"]["f1"]
    >>> run.model.explain(run.dataset["test"][:2], run.store)
    """

    def __init__(self, path: str | os.PathLike, data: str = "", features: str = "", no_pictures: bool = False) -> None:
        self.path = Path(path) if os.path.isdir(path) else Path(find_model_file(path))
        self.config: RunConfig | None = None
        if (self.path / CONFIG).is_file():
            self.config = RunConfig.load(self.path / CONFIG, of_run=True)
        elif not os.path.exists(find_model_file(self.path)):
            raise InputError("expected a run's folder or a model's file, found no such thing", self.path)
        own = self.config is not None and data in ("", self.config.data)
        self._data = data or (self.config.data if self.config else "sample")
        self._features = features or (self.config.features if own else "")
        self._no_pictures = no_pictures or (own and self.config.no_pictures and not features)

    @property
    def name(self) -> str:
        """Return the model's name in the registry; without a configuration, the name of its class."""
        return self.config.model if self.config is not None else self.class_name

    @cached_property
    def class_name(self) -> str:
        """Return the class of a Keras model, read without loading it."""
        return str(read_model_config(find_model_file(self.path)).get("class_name"))

    @cached_property
    def model(self) -> "Tagger | System":
        """Return the best model of the run."""
        return load_tagger(find_model_file(self.path))

    @cached_property
    def dataset(self) -> Dataset:
        """Return the run's data set."""
        return load_dataset(self._data)

    @cached_property
    def features(self) -> str | None:
        """Return the path of the store that was given, else the run's, else the data set's own; `None` for none."""
        if self._no_pictures or not reads_store(self.model):
            return None
        visual = visual_input(self.model)
        own = self._features or (None if visual is None else self.dataset.features(visual.kind))
        return None if own is None else os.fspath(own)

    @cached_property
    def store(self) -> FeatureStore | None:
        """Return the store at `features`, opened."""
        return None if self.features is None else FeatureStore(self.features)

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One row per epoch: losses, and scores in percent. Empty for a system that keeps no history."""
        path = self.path / HISTORY
        if not path.is_file() and self.config is not None and not self.config.entry.is_keras:
            return []
        if self.path.is_file():
            raise InputError("expected a run's folder, which contains its history; found a file", self.path)
        return read_parsed(path, "a run's history", _parse_history)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Return the content of `metrics.json`: scores on dev and test, in percent."""
        found = self._read_json(METRICS)
        try:
            for split in ("dev", "test"):
                for row in (found[split]["micro"], *found[split]["types"].values()):
                    for score in _SCORES:
                        float(row[score])
        except (KeyError, TypeError, ValueError, AttributeError):
            problem = f"expected {', '.join(_SCORES)} of dev and test, found other JSON"
            raise InputError(problem, self.path / METRICS) from None
        return found

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Return the content of `provenance.json`: versions, hashes, device, time."""
        return self._read_json(PROVENANCE)

    @cached_property
    def predictions(self) -> list[Prediction]:
        """Return the posts of the test split with gold tags and the model's."""
        return read_predictions(self.path)

    def scores(self, scheme: str = "strict") -> dict[str, Any]:
        """Return the scores of `predictions`, in percent (`entity_scores`)."""
        rows = self.predictions
        return entity_scores([row.tags for row in rows], [row.predicted for row in rows], scheme)

    def changed_inputs(self) -> list[str]:
        """Return a line for each input of a finished run that is missing, or not what its configuration names now."""
        config, data = self.config, load_dataset(self.config.data)
        changed = []
        if self.provenance.get("data", {}).get("sha256", {}) != data.hashes():
            changed.append(f"the data {config.data} changed")
        for what, path in (("features", config.find_features(data)), ("vectors", config.vectors)):
            before = self.provenance.get(what)
            if before is not None and not (path and is_same_file(path, before)):
                changed.append(f"the {what} {path or '(none now)'} changed")
        return changed

    def tags(self, split: str = "test") -> list[tuple[str, ...]]:
        """Return the model's tags for each post of a split: from `predictions.jsonl` where it has these posts."""
        posts = self.dataset[split]
        written = self.predictions if split == "test" and (self.path / PREDICTIONS).is_file() else ()
        if written and [row.tokens for row in written] == [post.tokens for post in posts]:
            return [row.predicted for row in written]
        return [post.tags for post in self.model.tag(posts, self.store)]

    def posts_per_batch(self) -> tuple[float, float]:
        """Return the numbers that divide the losses in `history` to give the loss per post, on train and on dev.

        Keras averages a loss that is a sum over a batch over the batches, weighted by their rows; only dev has a batch
        with fewer rows, the last one.
        """
        from mner_keras.tagger import MIN_EVALUATION_BATCH

        model_class = self.config.entry.load_class()
        arguments = {**free_arguments(model_class), **self.config.all_arguments}
        if arguments.get("loss_reduction") != "sum":
            return 1.0, 1.0
        bucket = model_class.preprocessing.get("bucket", True)
        train, dev = len(self.dataset["train"]), len(self.dataset["dev"])
        size = max(self.config.batch_size, MIN_EVALUATION_BATCH) if bucket else self.config.batch_size
        rest = dev % size
        return train / math.ceil(train / self.config.batch_size), ((dev - rest) * size + rest**2) / dev

    def _read_json(self, name: str) -> dict[str, Any]:
        found = read_parsed(self.path / name, "a finished run", json.loads)
        if not isinstance(found, dict):
            raise InputError("expected an object, found other JSON", self.path / name)
        return found


def _parse_history(text: str) -> list[dict[str, float]]:
    names, *rows = (line.split(",") for line in text.splitlines())
    if not rows:
        raise ValueError("no epoch")
    return [dict(zip(names, map(float, row), strict=True)) for row in rows]


def write_predictions(path: Path, posts: Iterable[Post], predicted: Iterable[Sequence[str]]) -> None:
    """Write one JSON object per post, in order: `image`, `tokens`, `tags`, `predicted`."""
    pairs = zip(posts, predicted, strict=True)
    rows = [Prediction(post.image_id, post.tokens, post.tags, tuple(tags)) for post, tags in pairs]
    text = "".join(json.dumps(vars(row), ensure_ascii=False) + "\n" for row in rows)
    write_whole(path, lambda unfinished: unfinished.write_bytes(text.encode("utf-8", "backslashreplace")))


def read_predictions(folder: str | os.PathLike) -> list[Prediction]:
    """Return the predictions in a run's folder, in the order of the test split; raise `InputError` for a bad file."""
    path = Path(folder) / PREDICTIONS
    lines = read_parsed(path, "the predictions of a finished run", str).rstrip("\n").split("\n")
    predictions = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            row = Prediction(record["image"], *(tuple(record[key]) for key in ("tokens", "tags", "predicted")))
        except (ValueError, KeyError, TypeError):
            problem = "expected an object with `image`, `tokens`, `tags` and `predicted`, found something else"
            raise InputError(problem, path, number) from None
        if not len(row.tokens) == len(row.tags) == len(row.predicted):
            raise InputError("expected as many tags and predicted tags as tokens", path, number)
        predictions.append(row)
    return predictions


def entity_scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: str = "strict"
) -> dict[str, Any]:
    """Compute scores over whole entities, in percent; `scheme` is a key of `SCHEMES`.

    Returns:
        `micro` and, by type, `types`, each with `precision`, `recall`, `f1` and `support`, the number of gold entities.
    """
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    opening = ("B-",) if scheme == "strict" else ("B-", "I-")
    if not any(tag.startswith(opening) for tags in (*gold, *predicted) for tag in tags):
        # seqeval rejects input without any entity.
        return {"micro": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}, "types": {}}
    # seqeval warns about types that are never predicted; their score of 0 shows this.
    with warnings.catch_warnings(action="ignore"):
        report = classification_report(
            [list(tags) for tags in gold],
            [list(tags) for tags in predicted],
            **({"mode": "strict", "scheme": IOB2} if scheme == "strict" else {}),
            output_dict=True,
            zero_division=0,
        )
    scores = {}
    for kind, row in sorted(report.items()):
        precision, recall, f1 = (100 * float(row[name]) for name in ("precision", "recall", "f1-score"))
        scores[kind] = {"precision": precision, "recall": recall, "f1": f1, "support": int(row["support"])}
    micro, _, _ = (scores.pop(f"{name} avg") for name in ("micro", "macro", "weighted"))
    return {"micro": micro, "types": scores}
