"""The CRF against HSN's equations 3 and 4 (start and end scores) and AGBAN's 17 to 21 (none), over all paths."""

import keras
import numpy as np
import paper
import pytest
from equation_harness import prove, set_weights
from layer_harness import to_numpy

from mner_keras.layers import CRF

K = 3
MASKS = {
    "no mask": np.ones((2, 4), bool),
    "unequal lengths": np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], bool),
    "holes": np.array([[1, 0, 1, 1], [0, 1, 0, 1]], bool),
    "n=1": np.ones((2, 1), bool),
    "all tokens but one padded": np.array([[1, 0, 0, 0]], bool),
}
each_mask = pytest.mark.parametrize("mask", MASKS)


def make(mask, boundary):
    crf = CRF(K, boundary=boundary)
    rng = np.random.default_rng(0)
    potentials = rng.normal(0, 2, (*mask.shape, K)).astype("float32")
    crf(potentials)
    set_weights(crf, scale=2.0)
    weights = {"transitions": crf.transitions}
    if boundary:
        weights |= {"start": crf.start, "end": crf.end}
    return crf, potentials, rng.integers(0, K, mask.shape).astype("int32"), weights


def check_likelihood(mask, boundary):
    crf, potentials, tags, weights = make(mask, boundary)

    def form(potentials, **w):
        rows = zip(potentials, tags, mask, strict=True)
        return np.array([paper.log_probability(labels[there], row[there], **w) for row, labels, there in rows])

    found = prove(
        form, lambda potentials: crf.log_likelihood(potentials, tags, mask), {"potentials": potentials}, weights
    )
    np.testing.assert_array_equal(found["potentials"][~mask], 0.0)


def check_best_path(mask, boundary):
    crf, potentials, _, weights = make(mask, boundary)
    w = {name: to_numpy(weight.value).astype("float64") for name, weight in weights.items()}
    tags = to_numpy(crf.decode(potentials, mask)[0])
    for row, there in enumerate(mask):
        expected = paper.best_path(potentials[row, there].astype("float64"), **w)
        np.testing.assert_array_equal(tags[row, there], expected)


@pytest.mark.equation("HSN 3")
@each_mask
def test_the_probability_of_a_path_with_start_and_end_scores_and_its_gradient(mask):
    check_likelihood(MASKS[mask], boundary=True)


@pytest.mark.equation("HSN 4")
@each_mask
def test_the_most_probable_path_with_start_and_end_scores(mask):
    check_best_path(MASKS[mask], boundary=True)


@pytest.mark.equation("AGBAN 17-20")
@each_mask
def test_the_probability_of_a_path_by_potentials_and_transitions_alone_and_its_gradient(mask):
    check_likelihood(MASKS[mask], boundary=False)


@pytest.mark.equation("AGBAN 17", "AGBAN 21")
@each_mask
def test_the_most_probable_path_by_potentials_and_transitions_alone(mask):
    check_best_path(MASKS[mask], boundary=False)


@pytest.mark.equation("AGBAN 18")
def test_the_score_of_a_path_is_the_sum_of_its_transitions_and_scores():
    """Decoding tells the score of the path that it chose."""
    mask = MASKS["unequal lengths"]
    crf, potentials, _, _ = make(mask, boundary=False)
    tags, scores = (to_numpy(value) for value in crf.decode(potentials, mask))
    Q = keras.ops.convert_to_numpy(crf.transitions).astype("float64")
    for row, there in enumerate(mask):
        path, S = tags[row, there], potentials[row, there].astype("float64")
        expected = sum(Q[i, j] for i, j in zip(path[:-1], path[1:], strict=True))
        expected += sum(S[i, tag] for i, tag in enumerate(path))
        assert scores[row] == pytest.approx(expected, abs=1e-5)
