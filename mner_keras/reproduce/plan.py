"""What a table takes to train: a run for each system and seed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mner_keras.data.datasets import SPLITS, Dataset, load_dataset
from mner_keras.errors import InputError, did_you_mean
from mner_keras.registry import ModelEntry, find_model
from mner_keras.reproduce.systems import TableSystem, systems_of
from mner_keras.reproduce.table import PublishedTable
from mner_keras.run.arguments import check_arguments, free_arguments
from mner_keras.run.config import RunConfig
from mner_keras.vision.feature_store import FeatureStore

BUDGETS = ("fast", "paper")
KINDS = ("regions", "objects")
# The fast budget's epochs: as many as show some 16,000 posts, and within these bounds.
_FAST_POSTS, _LEAST_EPOCHS, _MOST_EPOCHS = 16_000, 4, 8


@dataclasses.dataclass(frozen=True)
class Setting:
    """On what, and how long, the systems of a table are trained.

    All runs have `transductive = true`: the vocabulary is built over train, dev and test, as in AGBAN's released code.

    Args:
        data: a data set's name or folder.
        features: stores of the pictures' features, by kind (`regions`, `objects`); else the data set's own.
        vectors: files of word vectors: by what the paper calls them (`twitter`, `crawl`), and `""` for all others.
        seeds: how many seeds, from 1.
        budget: `"paper"` trains as each system's paper says, `"fast"` a few epochs of Adam.
        precision: a Keras dtype policy.
        arguments: arguments of models by the models' names.
    """

    data: str = "sample"
    features: Mapping[str, str] = dataclasses.field(default_factory=dict)
    vectors: Mapping[str, str] = dataclasses.field(default_factory=dict)
    seeds: int = 1
    budget: str = "fast"
    precision: str = "float32"
    arguments: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """A run to be trained.

    Args:
        system: what it belongs to; several systems may share a run's folder.
        seed: the seed that it stands for; a system that knows no seed has one folder for all.
        config: its configuration.
        folder: its folder.
    """

    system: TableSystem
    seed: int
    config: RunConfig
    folder: Path


def plan(
    table: PublishedTable, setting: Setting, folder: str | os.PathLike, rows: Sequence[str] = ()
) -> list[PlannedRun]:
    """The runs of a table of results, seed by seed, so that a table that is cut short has all its rows.

    Args:
        table: the table.
        setting: on what and how long.
        folder: holds the runs, one folder each, named after model, configuration and seed: tables share them.
        rows: keys of the systems to train; empty for all.

    Raises:
        InputError: an unknown row, data set or argument, a malformed file, or settings that do not fit.
    """
    _check(setting)
    data = load_dataset(setting.data)
    for split in SPLITS:
        # A malformed file is told before anything is trained.
        data[split]
    systems = _chosen(table, rows)
    runs = []
    for seed in range(1, setting.seeds + 1):
        for system in systems:
            config = configure(system, setting, data, seed)
            runs.append(PlannedRun(system, seed, config, Path(folder) / "runs" / run_name(config)))
    return runs


def configure(system: TableSystem, setting: Setting, data: Dataset, seed: int) -> RunConfig:
    """The configuration of one run of a system."""
    entry = find_model(system.model)
    model_class = entry.load_class()
    kind = visual_kind(system.model)
    defaults = {**free_arguments(model_class), **entry.arguments}
    arguments = {**setting.arguments.get(system.model, {}), **system.arguments}
    check_arguments(model_class, arguments)
    budget = fast_settings(entry, len(data["train"])) if setting.budget == "fast" else {}
    config = RunConfig.for_model(
        system.model,
        **budget,
        data=_absolute(setting.data) if Path(setting.data).is_dir() else setting.data,
        features=_absolute(setting.features.get(kind, "")) if kind else "",
        vectors=_absolute(setting.vectors.get(system.vectors or "", setting.vectors.get("", ""))),
        # As in AGBAN's released code. Neither paper says over which splits its vocabulary was built.
        transductive=True,
        seed=seed,
        precision=setting.precision,
        # Without what is the default anyway, so that tables share the run.
        arguments={name: value for name, value in arguments.items() if value != defaults[name]},
    )
    # A system that knows no seed is one run, whatever the seed.
    return config.without_unused()[0]


def fast_settings(entry: ModelEntry, num_posts: int) -> dict[str, Any]:
    """What the fast budget sets otherwise than the paper.

    Adam at 0.003 on batches of 16, a few epochs; a model that is fine-tuned (by AdamW) keeps its optimiser, and one
    that is no Keras model has its iterations cut.

    Args:
        entry: the model.
        num_posts: training posts.
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


def visual_kind(model: str) -> str | None:
    """What a model reads of a picture: `"regions"`, `"objects"`, or `None` for nothing."""
    reads = find_model(model).reads
    return next((kind for kind in KINDS if kind in reads), None)


def run_name(config: RunConfig) -> str:
    """A folder's name that is the same for the same configuration only."""
    values = {**dataclasses.asdict(config), "seed": None}
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return f"{config.model}-{digest[:8]}-seed{config.seed}"


def _absolute(path: str) -> str:
    return os.path.abspath(path) if path else ""


def _chosen(table: PublishedTable, rows: Sequence[str]) -> list[TableSystem]:
    systems = {system.key: system for system in systems_of(table)}
    for row in rows:
        if row not in systems:
            raise InputError(
                f"expected a row of {table.paper}'s table {table.number} ({', '.join(systems)}), found {row!r}."
                + did_you_mean(row, systems)
            )
    return [system for key, system in systems.items() if not rows or key in rows]


def _check(setting: Setting) -> None:
    if setting.seeds < 1:
        raise InputError(f"`seeds` must be at least 1, found {setting.seeds}")
    if setting.budget not in BUDGETS:
        raise InputError(
            f"`budget` must be one of {', '.join(BUDGETS)}, found {setting.budget!r}."
            + did_you_mean(setting.budget, BUDGETS)
        )
    for kind, path in setting.features.items():
        if not Path(path).is_file():
            raise InputError(f"expected a store of {kind} (HDF5), found no such file", path)
        store = FeatureStore(path)
        found = store.attributes.get("kind", kind)
        store.close()
        if found != kind:
            raise InputError(f"expected a store of {kind}, found one of {found}", path)
    for path in setting.vectors.values():
        if not Path(path).is_file():
            raise InputError("expected a file of word vectors, found no such file", path)
