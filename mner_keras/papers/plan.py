"""What a table is measured on, and the runs that measure it: one for each row and seed."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mner_keras.data.datasets import SPLITS, Dataset
from mner_keras.data.post import Post
from mner_keras.data.realworld import SIZES
from mner_keras.errors import InputError
from mner_keras.papers.published import PublishedTable, TableRow
from mner_keras.registry import ModelEntry, Training, find_model
from mner_keras.run.config import RunConfig, check_arguments, free_arguments
from mner_keras.vision.feature_store import FeatureStore

_FEW_POSTS = 2_000
# The two distributions of Twitter-2015, by `_fingerprint`.
_ORIGINAL = "941c2f3f550a2a76bbcf77d0e8556749f132b68440c0c733c8a8694b1311793a"
_UMT = "4643591c8905d1893ca33227b0c56823a683884564dd7a286f607ceb5f9a0ea2"
_CLEANED = "Twitter-2015 as cleaned later (the distribution of UMT), with 30 tags of the original changed"
_TWITTER = {_ORIGINAL: ("original", "Twitter-2015, the original distribution"), _UMT: ("umt", _CLEANED)}
# HSN's footnote 1 names the repository; its README links the real-world set, on Baidu, with an access code.
_REAL_WORLD = (
    "Twitter-2015 and as many plain-text tweets as HSN's real-world set adds to it; whether they are HSN's own "
    "(published at https://github.com/T1aNS1R/Real-world-multimodal-NER-dataset) is not checked"
)


@dataclass(frozen=True)
class DataIdentity:
    """A data set as the papers' tables see it."""

    name: str  # "original" or "umt" for Twitter-2015, "real-world" for a set built like HSN's, "sample" or "other"
    description: str  # the same for people
    types: dict[str, str]  # what the papers call each entity type of the data

    def comparable(self, table: PublishedTable) -> bool:
        """Whether a difference from the table's numbers has a meaning."""
        if self.name == "real-world":
            return table.data != "twitter2015"
        return self.name in ("original", "umt") and table.data != "real-world"


def identify_dataset(data: Dataset) -> DataIdentity:
    """Recognise a data set by the words and tags of its posts, whatever their order and file format."""
    kinds = {tag[2:] for split in data for post in data[split] for tag in post.tags or () if tag != "O"}
    # The papers' name for OTHER; a set that has both types keeps both.
    types = {kind: "MISC" if kind == "OTHER" and "MISC" not in kinds else kind for kind in sorted(kinds)}
    if (found := _TWITTER.get(_fingerprint(data[split] for split in SPLITS))) is not None:
        return DataIdentity(*found, types)
    pictured = [[post for post in data[split] if post.image_id is not None] for split in SPLITS]
    added = tuple(len(data[split]) - len(posts) for split, posts in zip(SPLITS, pictured, strict=True))
    if added == SIZES and _fingerprint(pictured) in _TWITTER:
        return DataIdentity("real-world", _REAL_WORLD, types)
    if data.name == "sample":
        return DataIdentity("sample", "the sample corpus, which is invented: a demonstration, not a result", types)
    return DataIdentity("other", f"{data.name}, which is none of the papers' data sets", types)


def _fingerprint(splits: Iterable[Iterable[Post]]) -> str:
    """Return the SHA-256 of the splits' tokens and tags, in hexadecimal, whatever the order of the posts."""
    posts = [sorted(json.dumps([post.tokens, post.tags]) for post in split) for split in splits]
    return hashlib.sha256(json.dumps(posts).encode()).hexdigest()


@dataclass(frozen=True)
class Setting:
    """What a table is measured on, and how long its systems are trained."""

    data: str = "sample"  # a data set's name or folder
    features: Mapping[str, str] = field(default_factory=dict)  # stores by kind; by default the data set's own
    vectors: Mapping[str, str] = field(default_factory=dict)  # files by the paper's name, and `""` for all others
    seeds: int = 1  # the seeds are 1, 2, ...
    fast: bool = True  # a few epochs of Adam instead of what each system's paper says
    precision: str = "float32"
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of models, by the models' names

    def vectors_of(self, row: TableRow) -> str:
        """Return the file of word vectors for a row; empty for none."""
        return self.vectors.get(row.vectors or "", self.vectors.get("", ""))


@dataclass(frozen=True)
class PlannedRun:
    """A run of a row. Several rows and seeds may share a folder, which is trained once."""

    row: TableRow
    seed: int
    folder: Path
    config: RunConfig | None = None  # to train the run with; None for a table that is only shown

    def __str__(self) -> str:
        return f"{self.row.name}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """All that is decided before a table of results is measured."""

    table: PublishedTable
    data: DataIdentity
    runs: tuple[PlannedRun, ...]  # seed by seed, so that an interrupted table has all its rows
    skipped: tuple[str, ...] = ()  # the rows that cannot be trained here, with the reason
    caveats: tuple[str, ...] = ()  # the differences from the paper's setting, one line each


def make_plan(
    table: PublishedTable, setting: Setting, data: Dataset, folder: str | os.PathLike, rows: Sequence[str] = ()
) -> Plan:
    """Plan the runs of a table of results, without caveats; `rows` are keys or models, empty for all.

    The runs' folders in `folder` are named after model, configuration and seed: tables share them. An unknown row or
    argument, a malformed file, and settings that do not fit raise `InputError`.
    """
    for kind, path in setting.features.items():
        with contextlib.closing(FeatureStore(path)) as store:
            found = store.attributes.get("kind", kind)
        if found != kind:
            raise InputError(f"expected a store of {kind}, found one of {found}", path)
    for path in setting.vectors.values():
        if not Path(path).is_file():
            raise InputError("expected a file of word vectors, found no such file", path)
    runs: list[PlannedRun] = []
    skipped = {}
    for seed in range(1, setting.seeds + 1):
        for row in table.choose_rows(rows):
            entry = find_model(row.model)
            if entry.missing_modules:
                missing = ", ".join(entry.missing_modules)
                skipped[row.key] = f"{row.name}: skipped, needs {missing} (pip install 'mner-keras[{entry.extra}]')"
                continue
            config = _configure(row, entry, setting, len(data["train"]), seed)
            runs.append(PlannedRun(row, seed, Path(folder) / run_name(config), config))
    return Plan(table, identify_dataset(data), tuple(runs), tuple(skipped.values()))


def _configure(row: TableRow, entry: ModelEntry, setting: Setting, num_posts: int, seed: int) -> RunConfig:
    model_class = entry.load_class()
    defaults = {**free_arguments(model_class), **entry.arguments}
    arguments = {**setting.arguments.get(row.model, {}), **row.arguments}
    check_arguments(model_class, arguments)
    config = RunConfig.for_model(
        row.model,
        **(fast_settings(entry, num_posts) if setting.fast else {}),
        data=_absolute(setting.data) if Path(setting.data).is_dir() else setting.data,
        features=_absolute(setting.features.get(entry.visual or "", "")),
        vectors=_absolute(setting.vectors_of(row)),
        # As AGBAN's released code does; neither paper says so.
        transductive=True,
        seed=seed,
        precision=setting.precision,
        # Without the values that are the default anyway, so that tables share the run.
        arguments={name: value for name, value in arguments.items() if value != defaults[name]},
    )
    return config.without_unused()[0]


def fast_settings(entry: ModelEntry, num_posts: int) -> dict[str, Any]:
    """Return the settings of the fast budget that replace the paper's; a fine-tuned model (AdamW) keeps its own."""
    if not entry.is_keras:
        return {"epochs": 50}
    if entry.training.optimizer == "adamw":
        return {"epochs": 2} if num_posts < _FEW_POSTS else {}
    epochs, patience = (8, 0) if num_posts < _FEW_POSTS else (12, 2)
    training = Training("adam", 0.003, batch_size=16, epochs=epochs, patience=patience)
    unchanged = ("gradient_clip", "warmup")
    return {name: value for name, value in asdict(training).items() if name not in unchanged}


def run_name(config: RunConfig) -> str:
    """Return a folder's name, which is the same only for the same configuration."""
    values = {**asdict(config), "seed": None}
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return f"{config.model}-{digest[:8]}-seed{config.seed}"


def _absolute(path: str) -> str:
    return os.path.abspath(path) if path else ""
