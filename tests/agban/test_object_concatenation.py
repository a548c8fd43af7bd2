"""Object-Concat against NumPy, one number at a time."""

import numpy as np
import pytest
from keras import ops
from layer_harness import gradient, randomize, to_numpy

from agban_keras.layers import ObjectConcatenation

TEXT = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32")
OBJECTS = np.random.default_rng(1).normal(size=(3, 3, 6)).astype("float32")
MASK = np.array([[True, True, True], [True, False, False], [False, False, False]])


def make_layer(num_objects=3):
    layer = ObjectConcatenation(num_objects)
    layer(TEXT, OBJECTS)
    randomize(layer)
    return layer


def oracle(layer, objects, mask):
    kernel, bias = (to_numpy(weight.value).astype("float64") for weight in layer.dense.weights)
    output = TEXT.astype("float64").copy()
    for row, tokens in enumerate(output):
        for unit in range(kernel.shape[1]):
            total = bias[unit]
            for place in range(min(layer.num_objects, objects.shape[1])):
                if mask[row, place]:
                    total += sum(objects[row, place, i] * kernel[place * 6 + i, unit] for i in range(6))
            tokens[:, unit] += max(total, 0.0)
    return output


@pytest.mark.parametrize("num_objects", [1, 3, 5])
def test_each_place_has_weights_of_its_own_and_every_token_gets_the_sum(num_objects):
    layer = make_layer(num_objects)
    np.testing.assert_allclose(to_numpy(layer(TEXT, OBJECTS, MASK)), oracle(layer, OBJECTS, MASK), rtol=1e-5, atol=1e-5)
    every = np.ones_like(MASK)
    np.testing.assert_allclose(to_numpy(layer(TEXT, OBJECTS)), oracle(layer, OBJECTS, every), rtol=1e-5, atol=1e-5)


def test_absent_objects_masked_objects_and_no_objects_are_the_same():
    layer = make_layer()
    expected = to_numpy(layer(TEXT, OBJECTS, MASK & False))
    np.testing.assert_allclose(to_numpy(layer(TEXT, OBJECTS[:, :0])), expected, rtol=1e-6, atol=1e-6)
    few = MASK.copy()
    few[:, 2] = False
    found = to_numpy(layer(TEXT, OBJECTS[:, :2], few[:, :2]))
    np.testing.assert_allclose(found, to_numpy(layer(TEXT, OBJECTS, few)), rtol=1e-6, atol=1e-6)


def test_no_gradient_reaches_a_masked_object():
    layer = make_layer()
    found = gradient(lambda x: ops.sum(layer(TEXT, x, MASK) ** 2), OBJECTS)
    assert np.abs(found[MASK]).max() > 0
    np.testing.assert_array_equal(found[~MASK], 0.0)
