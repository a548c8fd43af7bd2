"""Self-adaptive integration against equations 17 and 18, one number at a time."""

import math

import numpy as np
import pytest
from layer_harness import randomize, to_numpy

from hsn_keras import SelfAdaptiveIntegration


def oracle(layer, text, fusion):
    w, b = (to_numpy(weight).astype("float64") for weight in (layer.text_gate.kernel, layer.text_gate.bias))
    u = to_numpy(layer.fusion_gate.kernel).astype("float64")
    d = text.shape[-1]
    gamma = np.zeros((*text.shape[:-1], w.shape[1]))
    output = np.zeros(text.shape)
    for place in np.ndindex(text.shape[:-1]):
        h, f = text[place].astype("float64"), fusion[place].astype("float64")
        for j in range(w.shape[1]):
            total = b[j] + sum(w[i, j] * h[i] + u[i, j] * f[i] for i in range(d))
            gamma[place][j] = 1 / (1 + math.exp(-total))
        for i in range(d):
            share = gamma[place][i if w.shape[1] == d else 0]
            output[place][i] = share * h[i] + (1 - share) * f[i]
    return output, gamma


def example(n=4, d=5):
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, n, d)).astype("float32"), rng.normal(size=(2, n, d)).astype("float32")


@pytest.mark.equation("HSN 17", "HSN 18")
@pytest.mark.parametrize("n", [4, 1])
@pytest.mark.parametrize("gate", ["token", "feature"])
def test_equals_the_equations(gate, n):
    text, fusion = example(n)
    layer = SelfAdaptiveIntegration(gate)
    layer(text, fusion)
    randomize(layer)
    output, gamma = layer(text, fusion, return_gate=True)
    expected_output, expected_gamma = oracle(layer, text, fusion)
    assert to_numpy(gamma).shape == (2, n, 1 if gate == "token" else 5)
    np.testing.assert_allclose(to_numpy(gamma), expected_gamma, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(to_numpy(output), expected_output, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(to_numpy(layer(text, fusion)), expected_output, rtol=1e-5, atol=1e-5)


def test_a_gate_of_one_trusts_the_text_and_of_zero_the_fusion():
    text, fusion = example()
    layer = SelfAdaptiveIntegration()
    layer(text, fusion)
    for weight in layer.weights:
        weight.assign(np.zeros(weight.shape))
    layer.text_gate.bias.assign([50.0])
    np.testing.assert_allclose(to_numpy(layer(text, fusion)), text, rtol=1e-5, atol=1e-6)
    layer.text_gate.bias.assign([-50.0])
    np.testing.assert_allclose(to_numpy(layer(text, fusion)), fusion, rtol=1e-5, atol=1e-6)


def test_there_is_one_bias():
    text, fusion = example()
    layer = SelfAdaptiveIntegration()
    layer(text, fusion)
    assert sorted(tuple(weight.shape) for weight in layer.weights) == [(1,), (5, 1), (5, 1)]


def test_tokens_do_not_see_each_other():
    text, fusion = example()
    layer = SelfAdaptiveIntegration("feature")
    whole = to_numpy(layer(text, fusion))
    np.testing.assert_allclose(to_numpy(layer(text[:, 1:2], fusion[:, 1:2])), whole[:, 1:2], rtol=1e-5, atol=1e-6)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="`gate` must be 'token' or 'feature'. Received: gate='both'"):
        SelfAdaptiveIntegration("both")
    with pytest.raises(ValueError, match=r"`text` and `fusion` must have the same width.*\(2, 4, 5\).*\(2, 4, 6\)"):
        SelfAdaptiveIntegration()(np.zeros((2, 4, 5), "float32"), np.zeros((2, 4, 6), "float32"))
