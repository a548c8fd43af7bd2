"""The CRF against an enumeration of all paths, in float64."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import ops
from layer_harness import gradient, randomize, to_numpy

from mner_keras import CRFModel
from mner_keras.layers import CRF

K = 3
MASKS = {
    "right-padded": [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]],
    "with holes": [[1, 0, 1, 1, 0], [1, 0, 0, 0, 1], [0, 1, 0, 1, 0]],
    "padded at the front": [[0, 1, 1, 1, 1], [0, 0, 0, 0, 1], [0, 0, 1, 1, 1]],
    "with an empty row": [[1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]],
    "of one token": [[1], [1], [0]],
    "none": None,
}


def weights_of(crf):
    return {weight.path.split("/")[-1]: to_numpy(weight.value).astype("float64") for weight in crf.weights}


def path_score(weights, potentials, path):
    """The score of a path through the valid positions, from the definition; the empty path scores 0."""
    if not path:
        return 0.0
    score = sum(potentials[t, tag] for t, tag in enumerate(path))
    score += sum(weights["transitions"][path[t], path[t + 1]] for t in range(len(path) - 1))
    if "start" in weights:
        score += weights["start"][path[0]] + weights["end"][path[-1]]
    return score


def enumerate_row(crf, potentials):
    """Every path of a row that holds valid positions only, with its score: `[(path, score)]`."""
    tags = range(potentials.shape[1])
    potentials, weights = potentials.astype("float64"), weights_of(crf)
    return [(path, path_score(weights, potentials, path)) for path in itertools.product(tags, repeat=len(potentials))]


def log_sum_exp(values):
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))


def log_z(crf, potentials):
    """The forward algorithm in float64, for rows too long to enumerate."""
    weights = weights_of(crf)
    potentials = potentials.astype("float64")
    alpha = potentials[0] + weights.get("start", 0)
    for t in range(1, len(potentials)):
        ways = alpha[:, None] + weights["transitions"]
        top = ways.max(axis=0)
        alpha = top + np.log(np.exp(ways - top).sum(axis=0)) + potentials[t]
    alpha = alpha + weights.get("end", 0)
    return alpha.max() + np.log(np.exp(alpha - alpha.max()).sum())


def make_crf(boundary=True, num_tags=K, scale=1.0):
    crf = CRF(num_tags, boundary=boundary)
    crf.build((None, None, num_tags))
    randomize(crf, scale)
    return crf


def example(mask_name, seed=0):
    rng = np.random.default_rng(seed)
    mask = MASKS[mask_name]
    n = 4 if mask is None else len(mask[0])
    mask = None if mask is None else np.array(mask, bool)
    potentials = rng.normal(0, 2, size=(3, n, K)).astype("float32")
    tags = rng.integers(0, K, size=(3, n)).astype("int32")
    valid = np.ones((3, n), bool) if mask is None else mask
    return potentials, tags, mask, valid


class Decode(keras.layers.Layer):
    """A CRF's tags, scores and marginals as outputs of a functional model."""

    def __init__(self, crf):
        super().__init__()
        self.crf = crf

    def call(self, potentials):
        return (*self.crf.decode(potentials), self.crf.marginals(potentials))

    def compute_output_shape(self, potentials_shape):
        return potentials_shape[:-1], potentials_shape[:1], potentials_shape


each_mask = pytest.mark.parametrize("mask_name", MASKS)
each_boundary = pytest.mark.parametrize("boundary", [True, False], ids=["boundary", "no boundary"])


@each_boundary
@each_mask
def test_likelihood_decoding_and_marginals_equal_those_of_all_paths(mask_name, boundary):
    crf = make_crf(boundary)
    potentials, tags, mask, valid = example(mask_name)
    likelihood = to_numpy(crf.log_likelihood(potentials, tags, mask))
    decoded, score = (to_numpy(value) for value in crf.decode(potentials, mask))
    marginals = to_numpy(crf.marginals(potentials, mask))
    assert (likelihood.shape, decoded.dtype, score.dtype) == ((3,), "int32", "float32")
    assert marginals.shape == potentials.shape
    for row in range(3):
        paths = enumerate_row(crf, potentials[row][valid[row]])
        total = log_sum_exp([score for _, score in paths])
        assert likelihood[row] == pytest.approx(dict(paths)[tuple(tags[row][valid[row]])] - total, abs=1e-5)
        best, best_score = max(paths, key=lambda pair: pair[1])
        assert tuple(decoded[row][valid[row]]) == best
        assert score[row] == pytest.approx(best_score, abs=1e-5)
        expected = np.zeros((valid[row].sum(), K))
        for path, value in paths:
            for t, tag in enumerate(path):
                expected[t, tag] += math.exp(value - total)
        np.testing.assert_allclose(marginals[row][valid[row]], expected, rtol=1e-5, atol=1e-5)
    assert not decoded[~valid].any() and not marginals[~valid].any()


def long_rows():
    rng = np.random.default_rng(0)
    crf = make_crf(num_tags=5)
    potentials = (1e4 * rng.normal(size=(2, 1000, 5))).astype("float32")
    best = potentials.argmax(axis=-1)
    # In the first row a second path is nearly as good as the best; the likelihood of the best is then about -0.26.
    second = (best[0, 500] + 1) % 5
    potentials[0, 500, second] = potentials[0, 500, best[0, 500]] - np.float32(1.2)
    return crf, potentials, best, rng


def test_long_rows_of_large_potentials_stay_exact_in_float32():
    crf, potentials, best, rng = long_rows()
    tags = np.stack([best[0], rng.integers(0, 5, size=1000)]).astype("int32")
    expected = [
        path_score(weights_of(crf), potentials[row].astype("float64"), tags[row].tolist()) - log_z(crf, potentials[row])
        for row in range(2)
    ]
    found = to_numpy(crf.log_likelihood(potentials, tags))
    for row in range(2):
        z = log_z(crf, potentials[row])
        assert abs(found[row] - expected[row]) <= 1e-4 * max(1.0, abs(z))
    assert -10 < expected[0] < -0.01
    assert found[0] == pytest.approx(expected[0], abs=1e-3)
    assert found[1] == pytest.approx(expected[1], rel=1e-5)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="an eager loop of a thousand steps is slow")
def test_long_rows_of_large_potentials_decode_and_have_marginals():
    crf, potentials, best, _ = long_rows()
    inputs = keras.Input((None, 5))
    # A compiled loop: eager steps would take seconds.
    model = keras.Model(inputs, [*Decode(crf)(inputs)])
    decoded, score, marginals = model.predict(potentials, verbose=0)
    np.testing.assert_array_equal(decoded[1], best[1])
    assert score[1] == pytest.approx(path_score(weights_of(crf), potentials[1].astype("float64"), best[1].tolist()))
    np.testing.assert_allclose(marginals.sum(axis=-1), 1.0, rtol=1e-5, atol=1e-5)
    score = path_score(weights_of(crf), potentials[0].astype("float64"), best[0].tolist())
    assert marginals[0, 500, best[0, 500]] == pytest.approx(math.exp(score - log_z(crf, potentials[0])), abs=1e-2)


@pytest.mark.parametrize("garbage", [-1e30, np.nan])
@pytest.mark.parametrize("mask_name", ["with holes", "with an empty row"])
def test_values_at_masked_positions_change_nothing(mask_name, garbage):
    crf = make_crf()
    potentials, tags, mask, valid = example(mask_name)
    other_potentials = np.where(valid[..., None], potentials, np.float32(garbage))

    def everything(potentials, tags):
        results = [crf.log_likelihood(potentials, tags, mask), *crf.decode(potentials, mask)]
        return [to_numpy(value) for value in [*results, crf.marginals(potentials, mask)]]

    for label in (-100, 99):
        other_tags = np.where(valid, tags, label).astype("int32")
        for before, after in zip(everything(potentials, tags), everything(other_potentials, other_tags), strict=True):
            np.testing.assert_array_equal(before, after)
        found = gradient(lambda x, t=other_tags: ops.sum(crf.log_likelihood(x, t, mask)), other_potentials)
        reference = gradient(lambda x: ops.sum(crf.log_likelihood(x, tags, mask)), potentials)
        np.testing.assert_allclose(found[valid], reference[valid], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(found[~valid], 0.0)


def test_labels_may_come_as_other_integers_or_floats():
    crf = make_crf()
    potentials, tags, mask, _ = example("right-padded")
    reference = to_numpy(crf.log_likelihood(potentials, tags, mask))
    for dtype in ("int64", "uint8", "float32"):
        np.testing.assert_array_equal(to_numpy(crf.log_likelihood(potentials, tags.astype(dtype), mask)), reference)


def test_one_tag_is_certain():
    crf = make_crf(num_tags=1)
    potentials = np.full((2, 3, 1), 7, "float32")
    np.testing.assert_allclose(
        to_numpy(crf.log_likelihood(potentials, np.zeros((2, 3), "int32"))), 0.0, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(to_numpy(crf.marginals(potentials)), 1.0, rtol=1e-5, atol=1e-6)


def test_ties_go_to_one_path_and_not_to_a_mixture():
    """Two best paths, 0-1 and 1-0: a decoder that takes the best tag of each position alone would give 0-0."""
    crf = CRF(2, boundary=False)
    crf.build((None, None, 2))
    crf.transitions.assign([[-5.0, 0.0], [0.0, -5.0]])
    tags, score = crf.decode(np.zeros((1, 2, 2), "float32"))
    assert sorted(to_numpy(tags)[0].tolist()) == [0, 1]
    assert float(to_numpy(score)[0]) == 0.0


def test_the_layer_passes_potentials_through_and_its_weights_have_their_names():
    crf = CRF(K)
    potentials = np.random.default_rng(0).normal(size=(2, 4, K)).astype("float32")
    np.testing.assert_array_equal(to_numpy(crf(potentials)), potentials)
    assert crf.transitions.shape == (K, K)
    assert crf.start.shape == crf.end.shape == (K,)
    without = CRF(K, boundary=False)
    without(potentials)
    assert [weight.path.split("/")[-1] for weight in without.weights] == ["transitions"]


def test_no_number_of_tags_and_another_type_than_float32_are_refused():
    with pytest.raises(ValueError, match="^`num_tags` must be at least 1. Received: num_tags=0"):
        CRF(0)
    for dtype in ("float16", "mixed_bfloat16", "float64"):
        with pytest.raises(ValueError, match=r"`dtype` must be 'float32': a CRF needs its range\. Received: dtype="):
            CRF(K, dtype=dtype)


def test_potentials_of_another_width_are_refused():
    with pytest.raises(ValueError, match=r"`potentials` must have `num_tags`=3 scores per token.*\(2, 4, 5\)"):
        CRF(K)(np.zeros((2, 4, 5), "float32"))
    crf = make_crf()
    for call in (crf.decode, crf.marginals, lambda x: crf.log_likelihood(x, np.zeros((2, 4), "int32"))):
        with pytest.raises(ValueError, match=r"`potentials` must have the shape \[batch, tokens, 3\].*\(2, 4, 5\)"):
            call(np.zeros((2, 4, 5), "float32"))
        with pytest.raises(ValueError, match=r"`potentials` must have the shape \[batch, tokens, 3\].*\(4, 3\)"):
            call(np.zeros((4, 3), "float32"))


@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 5), (1, 4), (2, 4, 1)])
def test_masks_and_tags_of_another_shape_are_refused_and_not_broadcast(shape):
    potentials = np.zeros((2, 4, K), "float32")
    with pytest.raises(ValueError, match="`mask` must have the first two axes of `potentials`"):
        make_crf().decode(potentials, np.ones(shape, bool))
    with pytest.raises(ValueError, match="`tags` must have the first two axes of `potentials`"):
        make_crf().log_likelihood(potentials, np.zeros(shape, "int32"), np.ones((2, 4), bool))


def test_an_unbuilt_crf_says_so():
    with pytest.raises(ValueError, match="the CRF has no weights yet: call it on potentials first"):
        CRF(K).decode(np.zeros((2, 4, K), "float32"))


# --- In a user's own functional model ---


def make_model(length=None, with_mask=True, boundary=True):
    keras.utils.set_random_seed(0)
    ids = keras.Input((length,), dtype="int32")
    features = keras.layers.Embedding(12, 8)(ids)
    scores = keras.layers.Dense(K)(features)
    if not with_mask:
        return CRFModel(ids, {"potentials": CRF(K, boundary=boundary)(scores)})
    mask = ids != 0
    return CRFModel(ids, {"potentials": CRF(K, boundary=boundary)(scores, mask=mask), "mask": mask})


def make_data(rows=24, n=6):
    """Tags follow from the ids but for one id, whose tag is one more than its neighbour's to the left."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 11, size=(rows, n))
    tags = ids % K
    for t in range(1, n):
        tags[:, t] = np.where(ids[:, t] == 10, (tags[:, t - 1] + 1) % K, tags[:, t])
    lengths = rng.integers(2, n + 1, size=rows)
    valid = np.arange(n)[None] < lengths[:, None]
    return np.where(valid, ids, 0).astype("int32"), np.where(valid, tags, -100).astype("int32"), valid


def test_fit_moves_the_transitions_and_lowers_the_loss():
    model = make_model()
    ids, tags, valid = make_data()
    model.compile(keras.optimizers.Adam(0.05))
    before = [to_numpy(weight.value) for weight in model.crf.weights]
    history = model.fit(ids, tags, epochs=12, batch_size=8, verbose=0, validation_data=(ids, tags)).history
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    assert history["val_loss"][-1] < 0.3 * history["loss"][0]
    for weight, value in zip(model.crf.weights, before, strict=True):
        assert np.abs(to_numpy(weight.value) - value).max() > 0.05, weight.path
    assert (model.decode(ids)[valid] == tags[valid]).mean() > 0.95


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow traces steps")
def test_the_training_step_is_traced_once():
    class Counted(CRFModel):
        traces = 0

        def train_step(self, data):
            self.traces += 1
            return super().train_step(data)

    ids = keras.Input((None,), dtype="int32")
    model = Counted(ids, {"potentials": CRF(K)(keras.layers.Embedding(12, K)(ids))})
    model.compile("adam")
    model.fit(np.ones((4, 3), "int32"), np.zeros((4, 3), "int32"), batch_size=2, epochs=2, verbose=0)
    assert model.traces == 1


def test_the_loss_is_the_mean_over_the_rows_that_hold_a_token():
    model = make_model()
    model.compile("sgd")
    ids, tags, valid = make_data(rows=4)
    potentials = to_numpy(model(ids)["potentials"])
    expected = np.mean(
        [
            -float(to_numpy(model.crf.log_likelihood(potentials[i : i + 1], tags[i : i + 1], valid[i : i + 1]))[0])
            for i in range(4)
        ]
    )
    assert model.evaluate(ids, tags, verbose=0) == pytest.approx(expected, rel=1e-5)
    empty = np.zeros((3, ids.shape[1]), "int32")
    found = model.evaluate(np.concatenate([ids, empty]), np.concatenate([tags, empty]), verbose=0)
    assert found == pytest.approx(expected, rel=1e-5)


def test_losses_of_other_layers_are_added():
    ids = keras.Input((None,), dtype="int32")
    features = keras.layers.Embedding(12, 8)(ids)
    scores = keras.layers.Dense(K, kernel_regularizer=keras.regularizers.L2(0.1))(features)
    model = CRFModel(ids, {"potentials": CRF(K)(scores)})
    model.compile("sgd")
    x, y = np.ones((2, 3), "int32"), np.zeros((2, 3), "int32")
    kernel = to_numpy(model.layers[2].kernel)
    potentials = to_numpy(model(x)["potentials"])
    expected = -to_numpy(model.crf.log_likelihood(potentials, y)).mean() + 0.1 * (kernel**2).sum()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_sample_weights_weigh_rows():
    model = make_model()
    model.compile("sgd")
    ids, tags, _ = make_data(rows=2)
    alone = [model.evaluate(ids[i : i + 1], tags[i : i + 1], verbose=0) for i in range(2)]
    weights = np.array([2.0, 0.5], "float32")
    both = model.evaluate(ids, tags, sample_weight=weights, verbose=0)
    assert both == pytest.approx((2.0 * alone[0] + 0.5 * alone[1]) / 2, rel=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a graph of unknown length is TensorFlow's")
@pytest.mark.parametrize("n", [5, 70])
def test_unknown_and_known_lengths_give_the_same_training(n):
    import tensorflow as tf

    ids, tags, _ = make_data(rows=8, n=n)
    results = []
    for length in (None, n):
        model = make_model(length)
        model.compile(keras.optimizers.SGD(0.1))
        signature = tf.TensorSpec((None, length), "int32"), tf.TensorSpec((None, length), "int32")
        data = tf.data.Dataset.from_generator(lambda: iter([(ids, tags)]), output_signature=signature)
        losses = model.fit(data.repeat(3), steps_per_epoch=3, verbose=0).history["loss"]
        results.append((losses, model.decode(ids), *model.get_weights()))
    for unknown, known in zip(*results, strict=True):
        np.testing.assert_allclose(unknown, known, rtol=1e-4, atol=1e-5)


def test_a_saved_model_loads_with_plain_keras_and_decodes_alike(tmp_path):
    model = make_model(boundary=False)
    ids, tags, _ = make_data()
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(ids, tags, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is CRFModel
    assert loaded.crf.boundary is False
    np.testing.assert_array_equal(loaded.decode(ids), model.decode(ids))
    for before, after in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(before.value), to_numpy(after.value))
    assert loaded.evaluate(ids, tags, verbose=0) == pytest.approx(model.evaluate(ids, tags, verbose=0), rel=1e-6)
    loaded.fit(ids, tags, verbose=0)


def test_outputs_that_hold_no_potentials_are_refused():
    ids = keras.Input((None,), dtype="int32")
    features = keras.layers.Embedding(12, K)(ids)
    with pytest.raises(ValueError, match="`outputs` must be a dict with the key 'potentials'"):
        CRFModel(ids, {"scores": features})
    with pytest.raises(ValueError, match="`outputs` must be a dict with the key 'potentials'"):
        CRFModel(ids, features)
    with pytest.raises(ValueError, match="exactly one CRF layer. Received: 0 of them"):
        CRFModel(ids, {"potentials": features})
    with pytest.raises(ValueError, match="exactly one CRF layer. Received: 2 of them"):
        CRFModel(ids, {"potentials": CRF(K)(CRF(K)(features))})


@pytest.mark.parametrize("explicit", [True, False])
def test_a_mask_that_the_loss_would_not_see_is_refused(explicit):
    ids = keras.Input((None,), dtype="int32")
    mask = ids != 0
    features = keras.layers.Embedding(12, K, mask_zero=not explicit)(ids)
    potentials = CRF(K)(features, mask=mask if explicit else None)
    with pytest.raises(
        ValueError, match="`outputs` must contain the 'mask' that the CRF layer was given.* 'mask': ids != 0"
    ):
        CRFModel(ids, {"potentials": potentials})
    CRFModel(ids, {"potentials": potentials, "mask": mask})


def test_another_loss_is_refused():
    with pytest.raises(ValueError, match="`loss` must be left out: the loss is the CRF's own. Received: loss='mse'"):
        make_model().compile("sgd", loss="mse")


def test_fit_without_tags_says_what_is_missing():
    model = make_model(with_mask=False)
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"`y` must be the tags, \[batch, tokens\]"):
        model.fit(np.ones((2, 3), "int32"), verbose=0)


def test_weights_that_are_not_one_a_row_are_refused_and_not_broadcast():
    model = make_model(with_mask=False)
    outputs = model(np.ones((3, 3), "int32"))
    with pytest.raises(ValueError, match=r"`sample_weight` must contain one number per row, \[batch\].*\(3, 1\)"):
        model.crf_loss(np.zeros((3, 3), "int32"), outputs, np.ones((3, 1), "float32"))


def test_no_gradient_flows_through_the_marginals():
    crf = make_crf()
    potentials, _, mask, _ = example("with holes")
    found = gradient(lambda x: ops.sum(x) + ops.sum(crf.marginals(x, mask) ** 2), potentials)
    np.testing.assert_array_equal(found, np.ones_like(potentials))
