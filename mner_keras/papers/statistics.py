"""Tests of whether one system is better than another: a t-test over seeds and a paired bootstrap over posts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from mner_keras.run.predictions import Prediction

LEAST_SEEDS = 3
"""Below this many pairs of seeds no t-test is made."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A system against another, in points of F1.

    Args:
        difference: mean difference over the seeds that both have.
        seeds: how many.
        t_test: p of the one-tailed paired t-test over seeds that the first is better; `None` below three pairs, or
            where all differences are the same.
        bootstrap: p of the one-tailed paired bootstrap over posts that the first is better.
        low: 2.5 % quantile of the bootstrap's differences.
        high: 97.5 % quantile.
    """

    difference: float
    seeds: int
    t_test: float | None
    bootstrap: float
    low: float
    high: float


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
        first: predictions of the first system, one sequence a seed.
        second: those of the second, for the same seeds in the same order.
        scheme: how entities are read (`mner_keras.run.scores.SCHEMES`).
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
    ours = np.stack([count_entities(run, scheme) for run in first])  # [seeds, posts, 3]
    theirs = np.stack([count_entities(run, scheme) for run in second])
    by_seed = _f1(ours.sum(axis=1)) - _f1(theirs.sum(axis=1))  # [seeds]
    drawn = np.random.default_rng(0).multinomial(len(posts), np.full(len(posts), 1 / len(posts)), samples)
    sums = [np.einsum("sp,rpc->src", drawn, counts) for counts in (ours, theirs)]
    differences = (_f1(sums[0]) - _f1(sums[1])).mean(axis=1)  # [samples]
    low, high = np.quantile(differences, (0.025, 0.975))
    return Comparison(
        difference=float(by_seed.mean()),
        seeds=len(first),
        t_test=_t_test(by_seed),
        # One more of each, so that no p is 0.
        bootstrap=float((1 + np.sum(differences <= 0)) / (1 + samples)),
        low=float(low),
        high=float(high),
    )


def count_entities(run: Sequence[Prediction], scheme: str) -> np.ndarray:
    """Right, predicted and gold entities of each post, `[posts, 3]`."""
    counts = np.zeros((len(run), 3), "int64")
    for row, prediction in enumerate(run):
        predicted, gold = _spans(prediction.predicted, scheme), _spans(prediction.tags, scheme)
        counts[row] = len(predicted & gold), len(predicted), len(gold)
    return counts


def _spans(tags: Sequence[str], scheme: str) -> set[tuple]:
    if scheme == "strict":
        from mner_keras.data.entities import entity_spans

        return set(entity_spans(tags))
    from seqeval.metrics.sequence_labeling import get_entities

    return set(get_entities(list(tags)))


def _f1(counts: np.ndarray) -> np.ndarray:
    """F1 in percent of `[..., 3]` counts; 0 where there is nothing to find or found."""
    right, predicted, gold = counts[..., 0], counts[..., 1], counts[..., 2]
    return 200 * right / np.maximum(predicted + gold, 1)


def _t_test(differences: np.ndarray) -> float | None:
    if len(differences) < LEAST_SEEDS or np.ptp(differences) == 0:
        return None
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(differences, 0, alternative="greater").pvalue)
