import math

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


def network_oracle(network, features, mask, training):
    """Dense, batch normalisation over the valid positions, relu, ..., dense; one position at a time."""
    places = [place for place in np.ndindex(mask.shape) if mask[place]]
    vectors = {place: features[place].astype("float64") for place in np.ndindex(mask.shape)}
    for dense, norm in zip(network.inner, network.norms, strict=True):
        kernel, bias = (to_numpy(weight).astype("float64") for weight in dense.weights)
        vectors = {place: vector @ kernel + bias for place, vector in vectors.items()}
        gamma, beta = to_numpy(norm.gamma).astype("float64"), to_numpy(norm.beta).astype("float64")
        if training:
            mean = sum(vectors[place] for place in places) / len(places)
            variance = sum((vectors[place] - mean) ** 2 for place in places) / len(places)
        else:
            mean, variance = to_numpy(norm.moving_mean), to_numpy(norm.moving_variance)
        for place, vector in vectors.items():
            normal = gamma * (vector - mean) / np.sqrt(variance + 1e-5) + beta
            vectors[place] = np.array([max(x, 0.0) for x in normal])
    kernel, bias = (to_numpy(weight).astype("float64") for weight in network.outer.weights)
    output = np.zeros((*mask.shape, kernel.shape[1]))
    for place, vector in vectors.items():
        output[place] = vector @ kernel + bias
    return output


def make_positive(network):
    """Random weights, with the variances above zero."""
    randomize(network)
    for norm in network.norms:
        norm.moving_variance.assign(np.abs(to_numpy(norm.moving_variance)) + 0.5)


@pytest.mark.equation("AGBAN 8")
@pytest.mark.parametrize("training", [True, False])
def test_classifier_normalises_over_valid_positions_of_both_modalities_together(training):
    features = make_features()
    layer = ModalityClassifier(hidden=(7, 4))
    layer(features, mask=MASK)
    make_positive(layer.network)
    expected = network_oracle(layer.network, features, MASK, training)
    logits = to_numpy(layer(features, mask=MASK, training=training))
    np.testing.assert_allclose(logits[MASK], expected[MASK], rtol=1e-5, atol=1e-5)


@pytest.mark.equation("AGBAN 7")
@pytest.mark.parametrize("training", [True, False])
def test_projector_normalises_over_valid_objects(training):
    objects = np.random.default_rng(0).normal(size=(3, 2, 6)).astype("float32")
    mask = np.array([[True, True], [True, False], [False, False]])
    layer = VisualProjector(4, hidden=(7, 5))
    layer(objects, mask=mask)
    make_positive(layer.network)
    expected = network_oracle(layer.network, objects, mask, training)
    output = to_numpy(layer(objects, mask=mask, training=training))
    np.testing.assert_allclose(output[mask], expected[mask], rtol=1e-5, atol=1e-5)


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


def test_one_call_keeps_the_difference_of_means_that_two_calls_would_hide():
    features = make_features()
    layer = ModalityClassifier(hidden=(7, 4))
    layer(features, mask=MASK)
    make_positive(layer.network)
    together = to_numpy(layer(features, mask=MASK, training=True))
    text_alone = to_numpy(layer(features[:, :4], mask=TEXT_MASK, training=True))
    assert np.abs(together[:, :4][TEXT_MASK] - text_alone[TEXT_MASK]).max() > 0.1


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


@pytest.mark.equation("AGBAN 8")
@pytest.mark.parametrize("by_row", [False, True])
def test_loss_is_equation_8_over_a_posts_valid_tokens_and_objects(by_row):
    logits = np.random.default_rng(0).normal(0, 3, size=(3, 6, 2)).astype("float32")
    is_text = np.array([True] * 4 + [False] * 2)
    layer = ModalityClassifier()
    loss = to_numpy(layer.loss(logits, np.tile(is_text, (3, 1)) if by_row else is_text, MASK))
    assert loss.shape == (3,)
    for row in range(3):
        total, count = 0.0, 0
        for place in range(6):
            if not MASK[row, place]:
                continue
            picture, text = (math.exp(x) for x in logits[row, place].astype("float64"))
            d = text / (picture + text)  # D(o), the probability of text
            tau = 1 if place < 4 else 0
            total += tau * math.log(d) + (1 - tau) * math.log(1 - d)
            count += 1
        assert loss[row] == pytest.approx(-total / count if count else 0.0, abs=1e-5)


def test_loss_is_computed_in_float32():
    logits = ops.cast(np.full((1, 2, 2), 60000.0) * [1, -1], "float16")
    loss = to_numpy(ModalityClassifier().loss(logits, np.array([True, False]), np.ones((1, 2), bool)))
    assert loss.dtype == "float32"
    assert loss[0] == pytest.approx(60000.0, rel=1e-3)


def test_default_widths_are_those_of_the_released_code():
    layer = ModalityClassifier()
    layer(np.zeros((1, 2, 200), "float32"))
    assert [dense.units for dense in layer.network.inner] == [100, 50]
    assert layer.network.outer.units == 2
    projector = VisualProjector(200)
    projector(np.zeros((1, 2, 1024), "float32"))
    assert [dense.units for dense in projector.network.inner] == [512, 256]
