"""The CRF's range, compilers and precision: large scores, both ways of its recursions, XLA, mixed precision."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops
from layer_harness import gradient, to_numpy, weight_gradient
from test_crf import example, log_z, make_crf, make_data, make_model, path_score, weights_of

from mner_keras import CRFModel
from mner_keras.layers import CRF


def results(crf, potentials, tags, mask):
    total = lambda x: ops.sum(crf.log_likelihood(x, tags, mask))  # noqa: E731
    return [
        to_numpy(crf.log_likelihood(potentials, tags, mask)),
        gradient(total, potentials),
        *[weight_gradient(lambda: total(potentials), weight) for weight in crf.weights],
        to_numpy(crf.marginals(potentials, mask)),
    ]


@pytest.mark.parametrize("mask_name", ["right-padded", "with holes", "padded at the front", "with an empty row"])
def test_rescaled_and_logarithmic_recursions_agree(mask_name, monkeypatch):
    from mner_keras.layers import crf_recursions

    crf = make_crf()
    potentials, tags, mask, _ = example(mask_name)
    rescaled = results(crf, potentials, tags, mask)
    monkeypatch.setattr(crf_recursions, "NARROW", 0.0)
    for one, other in zip(rescaled, results(crf, potentials, tags, mask), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1.0, 50.0, 300.0, 1e4])
def test_moves_of_any_size_are_exact(size):
    """Scores of moves that lie far apart: hard rules that a user has put into the transitions, say."""
    crf = make_crf(scale=size)
    potentials, tags, mask, valid = example("right-padded")
    found, by_potentials, *_ = results(crf, potentials, tags, mask)
    for row in range(3):
        kept, path = potentials[row][valid[row]].astype("float64"), tags[row][valid[row]].tolist()
        z = log_z(crf, kept)
        assert abs(found[row] - (path_score(weights_of(crf), kept, path) - z)) <= 1e-4 * max(1, abs(z))
    assert np.isfinite(by_potentials).all()
    np.testing.assert_allclose(by_potentials.sum(axis=-1), 0.0, atol=1e-4)


@pytest.mark.parametrize(("length", "size"), [(2, 1.0), (2, 1e4), (33, 1.0), (33, 100.0), (33, 1e4), (200, 1.0)])
def test_long_rows_are_exact(length, size):
    if keras.backend.backend() == "torch" and length > 100:
        pytest.skip("an eager loop is slow")
    rng = np.random.default_rng(length)
    crf = make_crf(num_tags=5, scale=2.0)
    potentials = (size * rng.normal(size=(2, length, 5))).astype("float32")
    tags = np.stack([potentials[0].argmax(axis=-1), rng.integers(0, 5, length)]).astype("int32")
    found = to_numpy(crf.log_likelihood(potentials, tags))
    for row in range(2):
        z = log_z(crf, potentials[row])
        expected = path_score(weights_of(crf), potentials[row].astype("float64"), tags[row].tolist()) - z
        assert abs(found[row] - expected) <= 1e-4 * max(1, abs(z))
    assert np.isfinite(gradient(lambda x: ops.sum(crf.log_likelihood(x, tags)), potentials)).all()


def test_a_tag_out_of_range_is_named_in_an_array_and_nan_in_a_graph():
    crf = make_crf()
    potentials, tags, mask, _ = example("right-padded")
    tags[0, 0] = 3
    with pytest.raises(ValueError, match=r"`tags` must be from 0 to 2 wherever the mask is true\. Received: .* to 3"):
        crf.log_likelihood(potentials, tags, mask)
    with pytest.raises(ValueError, match=r"Received: tags from -1 to"):
        crf.log_likelihood(potentials, np.where(tags == 3, -1, tags), mask)
    found = to_numpy(crf.log_likelihood(potentials, ops.convert_to_tensor(tags), mask))
    assert np.isnan(found).tolist() == [True, False, False]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="XLA is asked for in TensorFlow's way")
def test_likelihood_decoding_and_marginals_compile_under_xla():
    import tensorflow as tf

    n = 5

    crf = make_crf()
    rng = np.random.default_rng(0)
    potentials = tf.constant(rng.normal(size=(3, n, 3)).astype("float32"))
    tags, mask = tf.constant(rng.integers(0, 3, (3, n)).astype("int32")), tf.constant(rng.random((3, n)) < 0.7)

    def everything(potentials, tags, mask):
        with tf.GradientTape() as tape:
            tape.watch(potentials)
            likelihood = crf.log_likelihood(potentials, tags, mask)
        outputs = likelihood, tape.gradient(likelihood, potentials), crf.marginals(potentials, mask)
        return (*outputs, crf.decode(potentials, mask)[0])

    unknown = [tf.TensorSpec((None, None, *x.shape[2:]), x.dtype) for x in (potentials, tags, mask)]
    expected = everything(potentials, tags, mask)
    for signature in (None, unknown):
        compiled = tf.function(everything, jit_compile=True, input_signature=signature)
        for one, other in zip(compiled(potentials, tags, mask), expected, strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.compiled
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="jax.jit")
def test_likelihood_and_gradient_compile_under_jax_jit():
    import jax

    crf = make_crf()
    potentials, tags, mask, _ = example("with holes")
    total = lambda x, tags, mask: ops.sum(crf.log_likelihood(x, tags, mask))  # noqa: E731
    for function in (total, jax.grad(total), lambda x, _, mask: crf.decode(x, mask)[0]):
        one = function(jax.numpy.asarray(potentials), tags, mask)
        np.testing.assert_allclose(jax.jit(function)(potentials, tags, mask), one, rtol=1e-5, atol=1e-5)


@pytest.mark.compiled
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch has no such compiler here")
def test_a_model_trains_with_jit_compile():
    losses = []
    for jit in (False, True):
        model = make_model()
        ids, tags, _ = make_data()
        model.compile(keras.optimizers.Adam(0.05), jit_compile=jit)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            losses.append(model.fit(ids, tags, epochs=2, batch_size=8, shuffle=False, verbose=0).history["loss"])
        if any("jit_compile=True" in str(warning.message) for warning in caught):
            pytest.skip("Keras does not compile where another test has asked for deterministic operations")
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_the_crf_computes_in_float32_behind_half_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        ids = keras.Input((None,), dtype="int32")
        scores = keras.layers.Dense(3)(keras.layers.Embedding(12, 8)(ids))
        model = CRFModel(ids, {"potentials": CRF(3)(scores)})
        model.compile(keras.optimizers.Adam(0.01))
    finally:
        keras.config.set_dtype_policy("float32")
    ids, tags, _ = make_data()
    assert np.isfinite(model.fit(ids, np.maximum(tags, 0), verbose=0).history["loss"]).all()
    assert keras.backend.standardize_dtype(scores.dtype) == policy.removeprefix("mixed_")
    outputs = model(ids)["potentials"]
    found = [model.crf.log_likelihood(outputs, np.maximum(tags, 0)), model.crf.decode(outputs)[1]]
    found.append(model.crf.marginals(outputs))
    assert {keras.backend.standardize_dtype(x.dtype) for x in (outputs, *found, *model.crf.weights)} == {"float32"}
