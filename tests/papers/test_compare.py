"""Significance: against scipy's paired test, a bootstrap written as a loop, and scores counted by seqeval."""

import dataclasses

import numpy as np
import pytest
from finished_runs import make_posts, predict
from scipy.stats import ttest_rel

from mner_keras.papers.compare import compare
from mner_keras.run.run import Prediction, entity_scores

POSTS = make_posts(60)


def run(rate, seed, posts=POSTS):
    return [
        Prediction(post.image_id, post.tokens, post.tags, tags)
        for post, tags in zip(posts, predict(posts, rate, seed), strict=True)
    ]


def f1(rows, scheme="strict"):
    return entity_scores([row.tags for row in rows], [row.predicted for row in rows], scheme)["micro"]["f1"]


GOOD, BAD = [run(0.9, seed) for seed in range(4)], [run(0.6, seed + 10) for seed in range(4)]


def test_the_difference_is_that_of_the_scores():
    found = compare(GOOD, BAD)
    assert found.difference == pytest.approx(np.mean([f1(a) - f1(b) for a, b in zip(GOOD, BAD, strict=True)]))
    assert found.seeds == 4


def test_the_t_test_is_scipys_paired_one_tailed():
    ours, theirs = [f1(rows) for rows in GOOD], [f1(rows) for rows in BAD]
    assert compare(GOOD, BAD).t_test == pytest.approx(ttest_rel(ours, theirs, alternative="greater").pvalue)
    assert compare(BAD, GOOD).t_test == pytest.approx(1 - compare(GOOD, BAD).t_test)


def test_the_bootstrap_against_a_loop():
    found = compare(GOOD[:1], BAD[:1], samples=200)
    drawn = np.random.default_rng(0).multinomial(60, np.full(60, 1 / 60), 200)
    differences = []
    for times in drawn:
        pair = []
        for rows in (GOOD[0], BAD[0]):
            again = [row for row, n in zip(rows, times, strict=True) for _ in range(n)]
            pair.append(f1(again))
        differences.append(pair[0] - pair[1])
    assert found.bootstrap == pytest.approx((1 + sum(d <= 0 for d in differences)) / 201)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(differences, (0.025, 0.975))))


def test_a_better_system_is_found_better_and_an_equal_one_is_not():
    assert compare(GOOD, BAD).bootstrap < 0.01
    assert compare(GOOD, GOOD).bootstrap == 1
    assert compare(GOOD, GOOD).t_test is None  # all differences are 0


@pytest.mark.parametrize("seeds", [1, 2])
def test_no_t_test_below_three_seeds(seeds):
    assert compare(GOOD[:seeds], BAD[:seeds]).t_test is None


@pytest.mark.parametrize("scheme", ["strict", "lenient"])
def test_counts_are_those_of_the_scores_orphans_included(scheme):
    rows = [
        Prediction(None, ("a", "b", "c"), ("I-PER", "O", "B-LOC"), ("B-PER", "O", "I-LOC")),
        Prediction(None, ("a", "b", "c"), ("B-PER", "I-PER", "O"), ("B-PER", "I-PER", "I-PER")),
    ]
    nothing = [dataclasses.replace(row, predicted=("O",) * 3) for row in rows]
    assert compare([rows], [nothing], scheme).difference == pytest.approx(f1(rows, scheme))


def test_runs_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="as many runs of both systems, at least one. Received: 2, 1"):
        compare(GOOD[:2], BAD[:1])
    with pytest.raises(ValueError, match="the same posts in the same order"):
        compare(GOOD[:1], [run(0.5, 0, make_posts(59, seed=1))])
