"""The runs that measure a table: one for each row and seed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mner_keras.data.datasets import Dataset
from mner_keras.errors import InputError
from mner_keras.papers.identify_dataset import DataIdentity, identify_dataset
from mner_keras.papers.published import PublishedTable, TableRow
from mner_keras.registry import ModelEntry, find_model
from mner_keras.run.config import RunConfig, check_arguments, free_arguments
from mner_keras.vision.feature_store import FeatureStore

# The fast budget's epochs: enough to see about 16,000 posts, within these bounds.
_FAST_POSTS, _LEAST_EPOCHS, _MOST_EPOCHS = 16_000, 4, 8


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a table is measured on, and how long its systems are trained."""

    data: str = "sample"  # a data set's name or folder
    # Feature stores by kind (`regions`, `objects`); by default the data set's own.
    features: Mapping[str, str] = dataclasses.field(default_factory=dict)
    # Files of word vectors by the paper's name for them (`twitter`, `crawl`), and `""` for all others.
    vectors: Mapping[str, str] = dataclasses.field(default_factory=dict)
    seeds: int = 1  # the seeds are 1, 2, ...
    fast: bool = True  # a few epochs of Adam instead of what each system's paper says
    precision: str = "float32"
    # Arguments of models by the models' names.
    arguments: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """A run of a row. Several rows and seeds may share a folder, which is trained once."""

    row: TableRow
    seed: int
    folder: Path
    config: RunConfig | None = None  # to train the run with; None for a table that is only shown


@dataclasses.dataclass(frozen=True)
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
    """Plan the runs of a table of results, without caveats.

    Args:
        table: the table.
        setting: what it is measured on.
        data: the data set of the setting.
        folder: the folder of the runs' folders, which are named after model, configuration and seed: tables share them.
        rows: keys or models of the rows to train; empty for all.

    Raises:
        InputError: an unknown row or argument, a malformed file, or settings that do not fit.
    """
    _check_files(setting)
    runs: list[PlannedRun] = []
    skipped = {}
    chosen = table.choose_rows(rows)
    for seed in range(1, setting.seeds + 1):
        for row in chosen:
            entry = find_model(row.model)
            if entry.missing_modules:
                missing = ", ".join(entry.missing_modules)
                skipped[row.key] = f"{row.name}: skipped, needs {missing} (pip install 'mner-keras[{entry.extra}]')"
                continue
            config = _configure(row, entry, setting, len(data["train"]), seed)
            runs.append(PlannedRun(row, seed, Path(folder) / run_name(config), config))
    return Plan(table, identify_dataset(data), tuple(runs), tuple(skipped.values()))


def _configure(row: TableRow, entry: ModelEntry, setting: Setting, num_posts: int, seed: int) -> RunConfig:
    """Return the configuration of one run of a row."""
    model_class = entry.load_class()
    defaults = {**free_arguments(model_class), **entry.arguments}
    arguments = {**setting.arguments.get(row.model, {}), **row.arguments}
    check_arguments(model_class, arguments)
    config = RunConfig.for_model(
        row.model,
        **(fast_settings(entry, num_posts) if setting.fast else {}),
        data=_absolute(setting.data) if Path(setting.data).is_dir() else setting.data,
        features=_absolute(setting.features.get(entry.visual or "", "")),
        vectors=_absolute(setting.vectors.get(row.vectors or "", setting.vectors.get("", ""))),
        # As AGBAN's released code does; neither paper says so.
        transductive=True,
        seed=seed,
        precision=setting.precision,
        # Without the values that are the default anyway, so that tables share the run.
        arguments={name: value for name, value in arguments.items() if value != defaults[name]},
    )
    return config.without_unused()[0]


def fast_settings(entry: ModelEntry, num_posts: int) -> dict[str, Any]:
    """Return the settings of the fast budget that replace the paper's, for a number of training posts.

    These are Adam at 0.003, batches of 16 and a few epochs. A fine-tuned model (AdamW) keeps its optimiser; a system
    that is not a Keras model gets fewer iterations.
    """
    if not entry.is_keras:
        return {"epochs": 50}
    if entry.training.optimizer == "adamw":
        return {"epochs": 2}
    epochs = min(max(round(_FAST_POSTS / max(num_posts, 1)), _LEAST_EPOCHS), _MOST_EPOCHS)
    return {
        "optimizer": "adam",
        "learning_rate": 0.003,
        "learning_rate_decay": 0.0,
        "weight_decay": 0.0,
        "momentum": 0.0,
        "batch_size": 16,
        "epochs": epochs,
        "patience": 0,
    }


def run_name(config: RunConfig) -> str:
    """Return a folder's name, which is the same only for the same configuration."""
    values = {**dataclasses.asdict(config), "seed": None}
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return f"{config.model}-{digest[:8]}-seed{config.seed}"


def _absolute(path: str) -> str:
    return os.path.abspath(path) if path else ""


def _check_files(setting: Setting) -> None:
    for kind, path in setting.features.items():
        if not Path(path).exists():
            raise InputError(f"expected a store of {kind} (HDF5), found no such file", path)
        store = FeatureStore(path)
        found = store.attributes.get("kind", kind)
        store.close()
        if found != kind:
            raise InputError(f"expected a store of {kind}, found one of {found}", path)
    for path in setting.vectors.values():
        if not Path(path).is_file():
            raise InputError("expected a file of word vectors, found no such file", path)
