import math

import keras
import numpy as np
import pytest
from keras import ops
from layer_harness import gradient, to_numpy

from agban_keras.layers import GradientReversal

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def slope(layer, **arguments):
    """What the gradient of sum(R(x) * w) by x is of w, for some w: the same factor everywhere."""
    w = np.random.default_rng(1).normal(size=X.shape).astype("float32")
    found = gradient(lambda x: ops.sum(layer(x, **arguments) * ops.convert_to_tensor(w)), X)
    factors = found / w
    np.testing.assert_allclose(factors, factors[0, 0], rtol=1e-5)
    return float(factors[0, 0])


@pytest.mark.equation("AGBAN 24")
@pytest.mark.parametrize("strength", [0.0, 0.25, 1.0, 3, "schedule"])
def test_the_way_forward_is_the_identity(strength):
    np.testing.assert_array_equal(to_numpy(GradientReversal(strength)(X)), X)
    np.testing.assert_array_equal(to_numpy(GradientReversal(strength)(X, training=True)), X)


@pytest.mark.equation("AGBAN 25")
@pytest.mark.parametrize("strength", [0.0, 0.25, 1.0, 3])
def test_the_gradient_is_minus_lambda_times(strength):
    assert slope(GradientReversal(strength)) == pytest.approx(-strength, rel=1e-6)


def test_without_total_steps_the_schedule_stands_at_one_and_its_weights_are_not_trained():
    layer = GradientReversal("schedule")
    layer(X, training=True)
    assert (len(layer.trainable_weights), len(layer.non_trainable_weights)) == (0, 2)
    assert float(to_numpy(layer.current_strength())) == 1.0
    assert slope(layer) == pytest.approx(-1.0)


@pytest.mark.equation("AGBAN 25")
def test_the_schedule_rises_with_the_steps():
    layer = GradientReversal("schedule")
    layer.build(X.shape)
    layer.set_total_steps(8)
    for step in range(9):
        expected = 2 / (1 + math.exp(-10 * step / 8)) - 1
        assert float(to_numpy(layer.current_strength())) == pytest.approx(expected, abs=1e-6)
        # The call outside of training counts no step.
        assert slope(layer, training=False) == pytest.approx(-expected, abs=1e-6)
        layer(X, training=True)
        assert float(to_numpy(layer.step.value)) == step + 1


def test_a_constant_strength_has_no_weights_and_takes_total_steps_in_silence():
    layer = GradientReversal(0.5)
    layer(X)
    layer.set_total_steps(10)
    assert layer.weights == []
    assert float(to_numpy(layer.current_strength())) == 0.5


@pytest.mark.equation("AGBAN 24", "AGBAN 25")
def test_in_fit_what_stands_before_the_layer_climbs_and_what_stands_behind_descends():
    inputs = keras.Input((1,))
    before = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    after = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    reversal = GradientReversal("schedule")
    outputs = after(reversal(before(inputs)))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x, y = np.ones((4, 1), "float32"), np.zeros((4, 1), "float32")
    reversal.set_total_steps(2)
    u = v = 1.0
    for step in range(3):
        model.train_on_batch(x, y)
        strength = 2 / (1 + math.exp(-10 * step / 2)) - 1
        # loss = (u v)^2
        u, v = u + strength * 0.1 * 2 * u * v * v, v - 0.1 * 2 * u * u * v
        assert float(to_numpy(before.kernel)[0, 0]) == pytest.approx(u, rel=1e-5)
        assert float(to_numpy(after.kernel)[0, 0]) == pytest.approx(v, rel=1e-5)
