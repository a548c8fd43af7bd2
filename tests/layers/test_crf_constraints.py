"""Constraints and the k best paths, against an enumeration of all paths."""

import itertools
import math

import keras
import numpy as np
import pytest
from layer_harness import to_numpy
from test_crf import MASKS, enumerate_row, example, log_sum_exp, make_crf

from mner_keras import CRFModel
from mner_keras.layers import CRF, Constraints, bio_constraints, bioes_constraints

BIO = ("O", "B-PER", "I-PER")
BIOES = ("O", "B-PER", "I-PER", "E-PER", "S-PER", "S-LOC")

each_mask = pytest.mark.parametrize("mask_name", MASKS)


def constrained(crf, constraints):
    """The same weights, with constraints."""
    other = CRF(crf.num_tags, boundary=crf.boundary, constraints=constraints)
    other.build((None, None, crf.num_tags))
    other.set_weights(crf.get_weights())
    return other


def allowed(constraints, path):
    return not path or (
        constraints.start[path[0]]
        and constraints.end[path[-1]]
        and all(constraints.transitions[a][b] for a, b in itertools.pairwise(path))
    )


def possible_paths(crf, potentials):
    """`[(path, score)]`, best first."""
    paths = enumerate_row(crf, potentials)
    if crf.constraints is not None:
        paths = [(path, score) for path, score in paths if allowed(crf.constraints, path)]
    return sorted(paths, key=lambda pair: -pair[1])


def both_kinds():
    free = make_crf()
    return [free, constrained(free, bio_constraints(BIO)), constrained(make_crf(False), bio_constraints(BIO))]


@each_mask
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("kind", range(3), ids=["free", "BIO", "BIO without boundary"])
def test_top_k_are_the_best_of_all_paths_in_order(kind, k, mask_name):
    crf = both_kinds()[kind]
    potentials, _, mask, valid = example(mask_name)
    tags, scores = (to_numpy(value) for value in crf.top_k(potentials, mask, k=k))
    assert tags.shape == (3, k, potentials.shape[1])
    assert tags.dtype == "int32"
    for row in range(3):
        paths = possible_paths(crf, potentials[row][valid[row]])[:k]
        for rank, (path, score) in enumerate(paths):
            assert tuple(tags[row, rank][valid[row]]) == path
            assert (tags[row, rank][~valid[row]] == 0).all()
            assert scores[row, rank] == pytest.approx(score, abs=1e-4)
        assert (scores[row, len(paths) :] == -np.inf).all()
        assert (tags[row, len(paths) :] == 0).all()


@pytest.mark.parametrize("k", [0, -1, 1.5, True, None])
def test_a_k_that_is_no_number_of_paths_is_refused(k):
    with pytest.raises(ValueError, match="^`k` must be "):
        make_crf().top_k(np.zeros((1, 2, 3), "float32"), k=k)


@each_mask
@pytest.mark.parametrize("kind", [1, 2], ids=["boundary", "no boundary"])
def test_decoding_and_marginals_are_those_of_the_possible_paths(kind, mask_name):
    crf = both_kinds()[kind]
    potentials, _, mask, valid = example(mask_name)
    # The impossible is made likely: without constraints every row would begin with I-PER.
    potentials[..., 2] += 3
    tags, score = (to_numpy(value) for value in crf.decode(potentials, mask))
    marginals = to_numpy(crf.marginals(potentials, mask))
    for row in range(3):
        paths = possible_paths(crf, potentials[row][valid[row]])
        assert tuple(tags[row][valid[row]]) == paths[0][0]
        assert score[row] == pytest.approx(paths[0][1], abs=1e-4)
        total = log_sum_exp([score for _, score in paths])
        expected = np.zeros((valid[row].sum(), 3))
        for path, value in paths:
            for t, tag in enumerate(path):
                expected[t, tag] += math.exp(value - total)
        np.testing.assert_allclose(marginals[row][valid[row]], expected, rtol=1e-4, atol=1e-5)
        assert (marginals[row][~valid[row]] == 0).all()


def test_constraints_leave_the_likelihood_alone():
    free, bio, _ = both_kinds()
    potentials, tags, mask, _ = example("right-padded")
    tags[:] = 2  # I-PER throughout: no path that BIO allows
    np.testing.assert_array_equal(
        to_numpy(bio.log_likelihood(potentials, tags, mask)), to_numpy(free.log_likelihood(potentials, tags, mask))
    )


def test_bio_lets_a_name_go_on_only_where_one_of_its_kind_stands():
    found = bio_constraints(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
    follows = np.array(found.transitions)
    assert follows[:, [0, 1, 3]].all()
    assert follows[:, 2].tolist() == [False, True, True, False, False]
    assert follows[:, 4].tolist() == [False, False, False, True, True]
    assert found.start == (True, True, False, True, False)
    assert all(found.end)


def test_bioes_closes_every_name():
    found = bioes_constraints(BIOES)
    names = dict(enumerate(BIOES))
    paths = [
        " ".join(names[tag] for tag in path)
        for n in (1, 2, 3)
        for path in itertools.product(range(6), repeat=n)
        if allowed(found, path)
    ]
    assert "S-PER" in paths
    assert "B-PER E-PER" in paths
    assert "B-PER I-PER E-PER" in paths
    assert "E-PER" not in paths
    assert not any(path.endswith(("B-PER", "I-PER")) for path in paths)
    assert "O B-PER S-LOC" not in paths
    # Three choices outside a name; within three tokens a name of two at two places, or of three.
    assert len([path for path in paths if path.count(" ") == 2]) == 3**3 + 2 * 3 + 1


@pytest.mark.parametrize("tags", [["O", "B"], ["B-"], ["X-PER"], ["o"], ["BI-PER"], ["E-PER"]])
def test_tags_of_no_known_form_are_refused(tags):
    with pytest.raises(ValueError, match=r"`tags` must be 'O' or of the form 'B-X', 'I-X'\. Received: "):
        bio_constraints(tags)


def test_a_row_without_a_possible_path_scores_minus_infinity():
    nothing = Constraints([[False, False], [False, False]])
    crf = constrained(make_crf(num_tags=2), nothing)
    potentials = np.ones((2, 3, 2), "float32")
    mask = np.array([[True, True, False], [True, False, False]])
    tags, score = (to_numpy(value) for value in crf.decode(potentials, mask))
    assert score[0] == -np.inf
    assert np.isfinite(score[1])
    assert tags.shape == (2, 3)
    assert np.isfinite(to_numpy(crf.marginals(potentials, mask))).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(transitions=[[True, False]]), r"`transitions` must have the shape \[K, K\]\. Received: shape \(1, 2\)"),
        (dict(transitions=[]), r"`transitions` must have the shape \[K, K\]"),
        (dict(transitions=[[True]], start=[True, True]), r"`start` must have the shape \[1\]\. Received: shape \(2,\)"),
        (dict(transitions=[[True]], end=[]), r"`end` must have the shape \[1\]\. Received: shape \(0,\)"),
    ],
)
def test_constraints_of_no_shape_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Constraints(**arguments)


def test_constraints_over_other_tags_are_refused():
    with pytest.raises(ValueError, match=r"`constraints` must be over `num_tags`=4 tags\. Received: .* over 3 tags"):
        CRF(4, constraints=bio_constraints(BIO))
    with pytest.raises(ValueError, match="`constraints` must be a Constraints"):
        CRF(3, constraints="bio")


def test_a_saved_model_keeps_its_constraints(tmp_path):
    ids = keras.Input((None,), dtype="int32")
    scores = keras.layers.Embedding(5, 3)(ids)
    model = CRFModel(ids, {"potentials": CRF(3, constraints=bio_constraints(BIO))(scores)})
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.crf.constraints == model.crf.constraints
    x = np.random.default_rng(0).integers(0, 5, (4, 6)).astype("int32")
    np.testing.assert_array_equal(loaded.decode(x), model.decode(x))
