"""Groups of runs that differ only in the seed, and how such groups differ."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from mner_keras.data.entities import entity_spans
from mner_keras.errors import InputError
from mner_keras.papers.statistics import Comparison, compare
from mner_keras.run.config import RunConfig
from mner_keras.run.predictions import Prediction
from mner_keras.run.run import CONFIG, Run
from mner_keras.run.scores import entity_scores


@dataclasses.dataclass(frozen=True)
class RunGroup:
    """Finished runs that differ only in the seed.

    Args:
        name: the model, with the settings that differ from those of the other groups of the same model.
        runs: the runs by seed.
    """

    name: str
    runs: Mapping[int, Run]

    def scores(self, scheme: str) -> dict[int, dict[str, Any]]:
        """Return the scores of each seed (`mner_keras.run.scores.entity_scores`)."""
        return {
            seed: entity_scores([p.tags for p in run.predictions], [p.predicted for p in run.predictions], scheme)
            for seed, run in self.runs.items()
        }


def read_groups(folders: Sequence[str | os.PathLike]) -> list[RunGroup]:
    """Group runs by their configurations, in the given order.

    Raises:
        InputError: a folder without a finished run, two runs with one configuration and seed, or runs that were scored
            on other posts than the first one.
    """
    grouped: dict[str, dict[int, Run]] = {}
    for folder in folders:
        run = Run(folder)
        if run.config is None:
            raise InputError(f"expected a run, found no {CONFIG}", folder)
        group = grouped.setdefault(repr(dataclasses.replace(run.config, seed=0)), {})
        if run.config.seed in group:
            other = group[run.config.seed].path
            raise InputError(
                f"expected runs that differ, found a second one with the seed and settings of {other}", folder
            )
        group[run.config.seed] = run
    runs = [run for group in grouped.values() for run in group.values()]
    for run in runs:
        posts = [(found.tokens, found.tags) for found in run.predictions]
        if posts != [(found.tokens, found.tags) for found in runs[0].predictions]:
            raise InputError(
                f"expected runs scored on the same posts, found others than those of {runs[0].path}", run.path
            )
    names = group_names([next(iter(group.values())).config for group in grouped.values()])
    return [RunGroup(name, group) for name, group in zip(names, grouped.values(), strict=True)]


def group_names(configs: Sequence[RunConfig]) -> list[str]:
    """Return a name for each configuration: its model, and the settings in which those of the model differ."""
    names = []
    for config in configs:
        alike = [_flat(other) for other in configs if other.model == config.model]
        values = _flat(config)
        differing = [
            f"{key}={values[key]}"
            for key in dict.fromkeys(key for other in alike for key in other)
            if key in values and any(other.get(key) != values[key] for other in alike)
        ]
        names.append(" ".join([config.model, *differing]))
    return names


def compare_groups(group: RunGroup, base: RunGroup, scheme: str) -> Comparison:
    """Compare two groups over the seeds that both have, else in the order of their seeds and without a t-test."""
    common = sorted(set(group.runs) & set(base.runs))
    pairs = [(seed, seed) for seed in common] or list(zip(sorted(group.runs), sorted(base.runs), strict=False))
    ours, theirs = [group.runs[a].predictions for a, _ in pairs], [base.runs[b].predictions for _, b in pairs]
    found = compare(ours, theirs, scheme)
    return found if common else dataclasses.replace(found, t_test=None)


def disagreements(groups: Sequence[RunGroup]) -> list[dict[str, Any]]:
    """Return the posts for which the first runs of the groups find other entities (strict IOB2).

    Returns:
        one dict per post, in the order of the test split: `post` (its place, from 1), `image`, `tokens`, the `gold`
        entities and those `found` by each group, each as pairs of type and text.
    """
    runs = {group.name: group.runs[min(group.runs)].predictions for group in groups}
    differing = []
    for place, rows in enumerate(zip(*runs.values(), strict=True), start=1):
        if any(entity_spans(row.predicted) != entity_spans(rows[0].predicted) for row in rows):
            differing.append(
                {
                    "post": place,
                    "image": rows[0].image,
                    "tokens": rows[0].tokens,
                    "gold": _entities(rows[0], rows[0].tags),
                    "found": {name: _entities(row, row.predicted) for name, row in zip(runs, rows, strict=True)},
                }
            )
    return differing


def _entities(row: Prediction, tags: Sequence[str]) -> list[tuple[str, str]]:
    return [(kind, " ".join(row.tokens[start:end])) for kind, start, end in entity_spans(tags)]


def _flat(config: RunConfig) -> dict[str, Any]:
    values = {**dataclasses.asdict(config), **config.arguments}
    return {name: value for name, value in values.items() if name not in ("arguments", "seed", "model")}
