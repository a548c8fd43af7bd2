"""Whether one system is better than another: a t-test over seeds and a paired bootstrap over posts.

The bootstrap is our own: scipy's resamples one statistic of paired numbers, while F1 is a ratio of sums over posts.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mner_keras.data.post import entity_spans
from mner_keras.errors import InputError
from mner_keras.run.run import CONFIG, Prediction, Run

LEAST_SEEDS = 3  # pairs of seeds, below which no t-test is made


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A system against another, in points of F1."""

    difference: float  # mean over the seeds that both have
    seeds: int  # how many
    t_test: float | None  # p of the one-tailed paired t-test; None below three pairs, or for equal differences
    bootstrap: float  # p of the one-tailed paired bootstrap over posts that the first is better
    low: float  # 2.5 % quantile of the bootstrap's differences
    high: float  # 97.5 % quantile


def compare(
    first: Sequence[Sequence[Prediction]],
    second: Sequence[Sequence[Prediction]],
    scheme: str = "strict",
    samples: int = 1000,
) -> Comparison:
    """Compare two systems by their predictions on the same posts.

    AGBAN's table III marks what a one-tailed paired t-test finds better than Object-Concat (p < 0.01) and leaves the
    paired unit open; seeds are paired here. The bootstrap draws posts with replacement, the same for both systems and
    all seeds, and takes the mean difference over the seeds.

    Args:
        first, second: predictions of the systems, one sequence per seed, for the same seeds in the same order.
        scheme: how entities are read (`mner_keras.run.run.SCHEMES`).
        samples: draws of the bootstrap; always the same ones.

    Raises:
        ValueError: not as many runs of one as of the other, none at all, or other posts.
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"expected as many runs of both systems, at least one. Received: {len(first)}, {len(second)}")
    posts = [prediction.tokens for prediction in first[0]]
    for run in (*first, *second):
        if [prediction.tokens for prediction in run] != posts:
            raise ValueError("expected predictions on the same posts in the same order")
    ours = np.stack([_count_entities(run, scheme) for run in first])  # [seeds, posts, 2]
    theirs = np.stack([_count_entities(run, scheme) for run in second])
    by_seed = _f1(ours.sum(axis=1)) - _f1(theirs.sum(axis=1))  # [seeds]
    drawn = np.random.default_rng(0).multinomial(len(posts), np.full(len(posts), 1 / len(posts)), samples)
    sums = [np.einsum("sp,rpc->src", drawn, counts) for counts in (ours, theirs)]
    differences = (_f1(sums[0]) - _f1(sums[1])).mean(axis=1)  # [samples]
    low, high = np.quantile(differences, (0.025, 0.975))
    t_test = None
    if len(by_seed) >= LEAST_SEEDS and np.ptp(by_seed) > 0:
        from scipy.stats import ttest_1samp

        t_test = float(ttest_1samp(by_seed, 0, alternative="greater").pvalue)
    bootstrap = (1 + np.sum(differences <= 0)) / (1 + samples)  # one more of each, so that no p is 0
    return Comparison(float(by_seed.mean()), len(first), t_test, float(bootstrap), float(low), float(high))


def _count_entities(run: Sequence[Prediction], scheme: str) -> np.ndarray:
    """Count a post's entities, `[posts, 2]`: those that are right, and the predicted and gold ones together."""
    from seqeval.metrics.sequence_labeling import get_entities

    read = entity_spans if scheme == "strict" else get_entities
    pairs = [(set(read(list(row.predicted))), set(read(list(row.tags)))) for row in run]
    return np.array([(len(found & gold), len(found) + len(gold)) for found, gold in pairs], "int64")


def _f1(counts: np.ndarray) -> np.ndarray:
    """F1 in percent of `[..., 2]` counts; 0 where there is nothing to find or found."""
    return 200 * counts[..., 0] / np.maximum(counts[..., 1], 1)


def compare_runs(first: Mapping[int, Run], second: Mapping[int, Run], scheme: str) -> Comparison:
    """Compare runs by seed over the seeds that both have, else in the order of their seeds and without a t-test."""
    common = sorted(set(first) & set(second))
    pairs = [(seed, seed) for seed in common] or list(zip(sorted(first), sorted(second), strict=False))
    ours, theirs = [first[a].predictions for a, _ in pairs], [second[b].predictions for _, b in pairs]
    found = compare(ours, theirs, scheme)
    return found if common else dataclasses.replace(found, t_test=None)


def read_groups(folders: Sequence[str | os.PathLike]) -> dict[str, dict[int, Run]]:
    """Return runs that differ only in the seed by their seed, in groups by name, in the given order.

    A name is the model, with the settings that differ from those of the other groups of the same model.

    Raises:
        InputError: a folder without a finished run, two runs with one configuration and seed, or runs that were scored
            on other posts than the first one.
    """
    grouped: dict[str, dict[int, Run]] = {}
    base, expected = None, []
    for folder in folders:
        run = Run(folder)
        if run.config is None:
            raise InputError(f"expected a run, found no {CONFIG}", folder)
        group = grouped.setdefault(repr(dataclasses.replace(run.config, seed=0)), {})
        if (other := group.setdefault(run.config.seed, run)) is not run:
            problem = f"expected runs that differ, found a second one with the seed and settings of {other.path}"
            raise InputError(problem, folder)
        posts = [(row.tokens, row.tags) for row in run.predictions]
        base, expected = (run.path, posts) if base is None else (base, expected)
        if posts != expected:
            raise InputError(f"expected runs scored on the same posts, found others than those of {base}", run.path)
    configs = [next(iter(group.values())).config for group in grouped.values()]
    settings = [{**dataclasses.asdict(one), **one.arguments, "arguments": None, "seed": None} for one in configs]
    named = {}
    for own, group in zip(settings, grouped.values(), strict=True):
        alike = [other for other in settings if other["model"] == own["model"]]
        differing = [f"{name}={own[name]}" for name in own if any(other.get(name) != own[name] for other in alike)]
        named[" ".join([own["model"], *differing])] = group
    return named


def disagreements(groups: Mapping[str, Mapping[int, Run]]) -> list[dict[str, Any]]:
    """Return the posts for which the first runs of the groups find other entities (strict IOB2), as one dict per post.

    Its keys are `post` (the place in the test split, from 1), `image`, `tokens`, the `gold` entities and those `found`
    by each group, each as pairs of type and text.
    """
    runs = {name: group[min(group)].predictions for name, group in groups.items()}
    differing = []
    for place, rows in enumerate(zip(*runs.values(), strict=True), start=1):
        if any(entity_spans(row.predicted) != entity_spans(rows[0].predicted) for row in rows):
            post = {"post": place, "image": rows[0].image, "tokens": rows[0].tokens}
            found = {name: _entities(row, row.predicted) for name, row in zip(runs, rows, strict=True)}
            differing.append({**post, "gold": _entities(rows[0], rows[0].tags), "found": found})
    return differing


def _entities(row: Prediction, tags: Sequence[str]) -> list[tuple[str, str]]:
    return [(kind, " ".join(row.tokens[start:end])) for kind, start, end in entity_spans(tags)]
