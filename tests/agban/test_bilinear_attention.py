"""Gated bilinear attention: figure 6(b) and the weights. `tests/equations` compares it with equations 9 to 14."""

import numpy as np
from layer_harness import randomize, to_numpy

from agban_keras.layers import GatedBilinearAttention

TEXT_MASK = np.array([[True, True, True, True], [True, True, False, False], [True, False, False, False]])


def example(n=4, k=3, d=5, width=6):
    rng = np.random.default_rng(n * 10 + k)
    return rng.normal(size=(3, n, d)).astype("float32"), rng.normal(size=(3, k, width)).astype("float32")


def make_layer(text, objects, **arguments):
    layer = GatedBilinearAttention(**{"rank": 4, "gate_units": 3, **arguments})
    layer(text, objects)
    randomize(layer, 0.7)
    return layer


def test_over_pairs_a_single_object_is_most_relevant_to_one_token():
    """Figure 6(b) selects one object and finds one token; a softmax over objects gives every token the weight 1."""
    text, objects = example()
    attention = to_numpy(make_layer(text, objects)(text, objects[:, :1], TEXT_MASK, return_attention_scores=True)[1])
    np.testing.assert_allclose(attention.sum(axis=(1, 2)), 1.0, rtol=1e-5)
    assert attention[0].max() > 1.2 * attention[0].mean()
    layer = make_layer(text, objects, softmax="objects")
    attention = to_numpy(layer(text, objects[:, :1], TEXT_MASK, return_attention_scores=True)[1])
    np.testing.assert_allclose(attention[TEXT_MASK], 1.0, rtol=1e-6)


def test_all_weights_begin_small():
    text, objects = example()
    layer = GatedBilinearAttention(rank=4, gate_units=3)
    layer(text, objects)
    for weight in layer.weights:
        assert 0 < np.abs(to_numpy(weight.value)).max() <= weight.shape[0] ** -0.5, weight.path
