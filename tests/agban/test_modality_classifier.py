import numpy as np
import pytest
from keras import ops
from layer_harness import randomize, to_numpy

from agban_keras.layers import ModalityClassifier, VisualProjector

TEXT_MASK = np.array([[True, True, True, True], [True, True, False, False], [False] * 4])
OBJECT_MASK = np.array([[True, True], [False, False], [False, False]])
MASK = np.concatenate([TEXT_MASK, OBJECT_MASK], axis=1)


def make_features(d=5):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3, 6, d)).astype("float32")
    features[:, 4:] += 3.0  # the objects' mean is another than the words'
    return features


@pytest.mark.equation("AGBAN 7")
def test_projector_normalises_by_the_moving_statistics_outside_of_training():
    objects = np.random.default_rng(0).normal(size=(3, 2, 6)).astype("float32")
    mask = np.array([[True, True], [True, False], [False, False]])
    layer = VisualProjector(4, hidden=(7, 5))
    layer(objects, mask=mask)
    randomize(layer)
    x = objects.astype("float64")
    for dense, norm in zip(layer.network.inner, layer.network.norms, strict=True):
        norm.moving_variance.assign(np.abs(to_numpy(norm.moving_variance)) + 0.5)
        kernel, bias = (to_numpy(weight) for weight in dense.weights)
        gamma, beta, mean, variance = (to_numpy(weight) for weight in norm.weights)
        x = np.maximum(gamma * (x @ kernel + bias - mean) / np.sqrt(variance + 1e-5) + beta, 0)
    kernel, bias = (to_numpy(weight) for weight in layer.network.outer.weights)
    np.testing.assert_allclose(to_numpy(layer(objects, mask=mask)), x @ kernel + bias, rtol=1e-5, atol=1e-5)


def test_masked_positions_reach_neither_outputs_nor_moving_statistics():
    features = make_features()
    changed = np.where(MASK[..., None], features, 1e3).astype("float32")
    results = []
    layer = ModalityClassifier(hidden=(7, 4))
    layer(features, mask=MASK)
    initial = layer.get_weights()
    for inputs in (features, changed):
        layer.set_weights(initial)
        logits = to_numpy(layer(inputs, mask=MASK, training=True))
        results.append((logits[MASK], *layer.get_weights()))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert any(np.abs(one - before).max() > 1e-4 for one, before in zip(results[0][1:], initial, strict=True))


def test_a_batch_without_any_object_leaves_the_moving_statistics_as_they_are():
    layer = VisualProjector(4, hidden=(7, 5))
    objects = np.random.default_rng(0).normal(size=(2, 3, 6)).astype("float32")
    layer(objects, mask=np.ones((2, 3), bool), training=True)
    before = layer.get_weights()
    nothing = np.zeros((2, 3), bool)
    for found, mask in ((objects, nothing), (objects[:, :0], nothing[:, :0])):
        output = to_numpy(layer(found, mask=mask, training=True))
        assert output.shape == (*mask.shape, 4)
        assert np.isfinite(output).all()
        for one, other in zip(before, layer.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    layer(objects, mask=np.ones((2, 3), bool), training=True)
    assert any((one != other).any() for one, other in zip(before, layer.get_weights(), strict=True))


def test_loss_is_computed_in_float32():
    logits = ops.cast(np.full((1, 2, 2), 60000.0) * [1, -1], "float16")
    loss = to_numpy(ModalityClassifier().loss(logits, np.array([True, False]), np.ones((1, 2), bool)))
    assert loss.dtype == "float32"
    assert loss[0] == pytest.approx(60000.0, rel=1e-3)
