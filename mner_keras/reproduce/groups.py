"""Runs of one configuration with several seeds, and how such groups differ."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mner_keras.data.entities import entity_spans
from mner_keras.errors import InputError
from mner_keras.reproduce.statistics import Comparison, compare
from mner_keras.run.config import RunConfig
from mner_keras.run.predictions import Prediction, read_predictions
from mner_keras.run.scores import entity_scores


@dataclasses.dataclass(frozen=True)
class RunGroup:
    """Finished runs that differ in nothing but the seed.

    Args:
        name: the model, with the settings in which it differs from the other groups.
        config: their configuration; its seed is the first run's.
        folders: their folders by seed.
        predictions: their predictions of the test split by seed.
    """

    name: str
    config: RunConfig
    folders: Mapping[int, Path]
    predictions: Mapping[int, list[Prediction]]

    def scores(self, scheme: str) -> dict[int, dict[str, Any]]:
        """The scores of each seed (`mner_keras.run.scores.entity_scores`)."""
        return {
            seed: entity_scores([row.tags for row in rows], [row.predicted for row in rows], scheme)
            for seed, rows in self.predictions.items()
        }


@dataclasses.dataclass(frozen=True)
class Disagreement:
    """A post on which groups differ.

    Args:
        place: its place in the test split, from 0.
        image: the id of its picture.
        tokens: its tokens.
        gold: its entities, each a type and a text.
        found: what each group finds, by the group's name.
    """

    place: int
    image: str | None
    tokens: tuple[str, ...]
    gold: tuple[tuple[str, str], ...]
    found: Mapping[str, tuple[tuple[str, str], ...]]


def read_groups(folders: Sequence[str | os.PathLike]) -> list[RunGroup]:
    """Group runs by their configurations, in the order in which they are given.

    Raises:
        InputError: a folder without a finished run, two runs of one configuration and seed, or runs that were scored on
            other posts.
    """
    grouped: dict[str, dict[int, tuple[Path, RunConfig]]] = {}
    for name in folders:
        folder = Path(name)
        config = RunConfig.load(folder / "config.toml")
        group = grouped.setdefault(repr(dataclasses.replace(config, seed=0)), {})
        if config.seed in group:
            other = group[config.seed][0]
            raise InputError(
                f"expected runs that differ, found a second one of the seed and settings of {other}", folder
            )
        group[config.seed] = (folder, config)
    configs = [next(iter(group.values()))[1] for group in grouped.values()]
    names = group_names(configs)
    groups = []
    for name, config, group in zip(names, configs, grouped.values(), strict=True):
        paths = {seed: folder for seed, (folder, _) in group.items()}
        groups.append(RunGroup(name, config, paths, {seed: read_predictions(path) for seed, path in paths.items()}))
    first = next(iter(groups[0].predictions.values()))
    for group in groups:
        for seed, rows in group.predictions.items():
            if [(row.tokens, row.tags) for row in rows] != [(row.tokens, row.tags) for row in first]:
                raise InputError(
                    f"expected runs scored on the same posts, found others than those of {folders[0]}",
                    group.folders[seed],
                )
    return groups


def group_names(configs: Sequence[RunConfig]) -> list[str]:
    """A name for each configuration: its model, and the settings in which those of the same model differ."""
    names = []
    for config in configs:
        alike = [_flat(other) for other in configs if other.model == config.model]
        values = _flat(config)
        keys = dict.fromkeys(key for other in alike for key in other)
        told = [
            f"{key}={values[key]}"
            for key in keys
            if key in values and any(other.get(key) != values[key] for other in alike)
        ]
        names.append(" ".join([config.model, *told]))
    return names


def compare_groups(group: RunGroup, base: RunGroup, scheme: str) -> Comparison:
    """Whether a group is better than another: over the seeds that both have, else in the order of their seeds.

    Without common seeds no t-test is made.
    """
    common = sorted(set(group.predictions) & set(base.predictions))
    if common:
        return compare([group.predictions[s] for s in common], [base.predictions[s] for s in common], scheme)
    pairs = list(zip(sorted(group.predictions), sorted(base.predictions), strict=False))
    found = compare([group.predictions[a] for a, _ in pairs], [base.predictions[b] for _, b in pairs], scheme)
    return dataclasses.replace(found, t_test=None)


def disagreements(groups: Sequence[RunGroup]) -> list[Disagreement]:
    """The posts on which the first runs of the groups find other entities (strict IOB2), in the test split's order."""
    runs = {group.name: group.predictions[min(group.predictions)] for group in groups}
    found = []
    for place, rows in enumerate(zip(*runs.values(), strict=True)):
        spans = [entity_spans(row.predicted) for row in rows]
        if any(other != spans[0] for other in spans[1:]):
            row = rows[0]
            found.append(
                Disagreement(
                    place,
                    row.image,
                    row.tokens,
                    _texts(row, entity_spans(row.tags)),
                    {name: _texts(row, these) for name, these in zip(runs, spans, strict=True)},
                )
            )
    return found


def _texts(row: Prediction, spans: Sequence[tuple[str, int, int]]) -> tuple[tuple[str, str], ...]:
    return tuple((kind, " ".join(row.tokens[start:end])) for kind, start, end in spans)


def _flat(config: RunConfig) -> dict[str, Any]:
    values = {**dataclasses.asdict(config), **config.arguments}
    for name in ("arguments", "seed", "model"):
        del values[name]
    return values
