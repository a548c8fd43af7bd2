"""Gated bilinear attention against equations 9 to 14, one number at a time."""

import math

import numpy as np
import pytest
from keras import ops
from layer_harness import gradient, randomize, to_numpy

from agban_keras.layers import GatedBilinearAttention

TEXT_MASK = np.array([[True, True, True, True], [True, True, False, False], [True, False, False, False]])
OBJECT_MASK = np.array([[True, True, True], [True, False, False], [True, False, True]])
NOTHING = np.zeros((3, 3), bool)


def softmax_of(scores):
    """Of a dict of numbers."""
    top = max(scores.values(), default=0.0)
    total = sum(math.exp(score - top) for score in scores.values())
    return {key: math.exp(score - top) / total for key, score in scores.items()}


def oracle_row(weights, text, objects, valid_tokens, valid_objects, gate, softmax):
    """M and A of one post; A is zero where no object or (over pairs) no token stands."""
    n, k = len(text), len(objects)
    rank = len(weights["pooling"])
    match = {}
    for i in range(n):
        for j in valid_objects:
            # eq. 9: sum over the rank of p_r (t_i W_t)_r (v_j W_v)_r
            match[i, j] = sum(
                weights["pooling"][r]
                * float(np.dot(text[i], weights["text_kernel"][:, r]))
                * float(np.dot(objects[j], weights["object_kernel"][:, r]))
                for r in range(rank)
            )
    attention = np.zeros((n, k))
    if softmax == "objects":
        for i in range(n):
            for j, share in softmax_of({j: match[i, j] for j in valid_objects}).items():
                attention[i, j] = share
    else:
        for (i, j), share in softmax_of({key: s for key, s in match.items() if key[0] in valid_tokens}).items():
            attention[i, j] = share
    output = np.zeros(text.shape)
    for i in range(n):
        attended = np.zeros(text.shape[1])
        for j in valid_objects:
            attended += attention[i, j] * (objects[j] @ weights["attended_kernel"])  # eq. 10
        opened = np.ones(text.shape[1])
        if gate:
            h_v = [math.tanh(x) for x in attended @ weights["gate_object_kernel"]]  # eq. 11
            h_t = [math.tanh(x) for x in text[i] @ weights["gate_text_kernel"]]  # eq. 12
            opened = np.array([1 / (1 + math.exp(-x)) for x in np.array(h_v + h_t) @ weights["gate_kernel"]])  # eq. 13
        output[i] = opened * attended + text[i]  # eq. 14
    return output, attention


def oracle(layer, text, objects, text_mask, object_mask):
    weights = {weight.path.split("/")[-1]: to_numpy(weight.value).astype("float64") for weight in layer.weights}
    rows = [
        oracle_row(
            weights,
            text[row].astype("float64"),
            objects[row].astype("float64"),
            set(np.flatnonzero(text_mask[row])),
            list(np.flatnonzero(object_mask[row])),
            layer.gate,
            layer.softmax,
        )
        for row in range(len(text))
    ]
    return np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])


def example(n=4, k=3, d=5, width=6):
    rng = np.random.default_rng(n * 10 + k)
    return rng.normal(size=(3, n, d)).astype("float32"), rng.normal(size=(3, k, width)).astype("float32")


def make_layer(text, objects, **arguments):
    layer = GatedBilinearAttention(**{"rank": 4, "gate_units": 3, **arguments})
    layer(text, objects)
    randomize(layer, 0.7)
    return layer


@pytest.mark.equation("AGBAN 9-14")
@pytest.mark.parametrize("softmax", ["objects", "pairs"])
@pytest.mark.parametrize("gate", [True, False], ids=["gate", "no gate"])
@pytest.mark.parametrize(
    ("n", "k", "text_mask", "object_mask"),
    [
        (4, 3, None, None),
        (4, 3, TEXT_MASK, OBJECT_MASK),
        (1, 3, None, OBJECT_MASK),
        (4, 1, TEXT_MASK, None),
        (4, 3, TEXT_MASK, NOTHING),
    ],
    ids=["no masks", "masks", "n=1", "k=1", "every object masked"],
)
def test_equals_the_equations(n, k, text_mask, object_mask, gate, softmax):
    text, objects = example(n, k)
    layer = make_layer(text, objects, gate=gate, softmax=softmax)
    output, attention = layer(text, objects, text_mask=text_mask, object_mask=object_mask, return_attention_scores=True)
    text_mask = np.ones((3, n), bool) if text_mask is None else text_mask
    object_mask = np.ones((3, k), bool) if object_mask is None else object_mask
    expected_output, expected_attention = oracle(layer, text, objects, text_mask, object_mask)
    np.testing.assert_allclose(to_numpy(attention), expected_attention, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(to_numpy(output), expected_output, rtol=1e-5, atol=1e-5)
    assert (to_numpy(attention) * ~object_mask[:, None] == 0).all()


@pytest.mark.parametrize("softmax", ["objects", "pairs"])
def test_a_post_without_objects_keeps_its_text(softmax):
    text, objects = example()
    layer = make_layer(text, objects, softmax=softmax)
    output, attention = layer(text, objects, TEXT_MASK, NOTHING, return_attention_scores=True)
    np.testing.assert_array_equal(to_numpy(output), text)
    np.testing.assert_array_equal(to_numpy(attention), 0.0)
    output, attention = layer(text, objects[:, :0], TEXT_MASK, NOTHING[:, :0], return_attention_scores=True)
    np.testing.assert_array_equal(to_numpy(output), text)
    assert to_numpy(attention).shape == (3, 4, 0)


@pytest.mark.parametrize("softmax", ["objects", "pairs"])
def test_gradient_is_finite_where_no_object_stands(softmax):
    text, objects = example()
    layer = make_layer(text, objects, softmax=softmax)
    by_text = gradient(lambda x: ops.sum(layer(x, objects, TEXT_MASK, NOTHING) ** 2), text)
    np.testing.assert_allclose(by_text, 2 * text, rtol=1e-5)
    by_objects = gradient(lambda x: ops.sum(layer(text, x, TEXT_MASK, NOTHING) ** 2), objects)
    np.testing.assert_array_equal(by_objects, 0.0)


def test_weights_sum_to_one_over_the_objects_or_over_the_pairs():
    text, objects = example()
    for softmax, axes in (("objects", 2), ("pairs", (1, 2))):
        layer = make_layer(text, objects, softmax=softmax)
        attention = to_numpy(layer(text, objects, TEXT_MASK, OBJECT_MASK, return_attention_scores=True)[1])
        np.testing.assert_allclose(attention.sum(axis=axes), 1.0, rtol=1e-5, atol=1e-5)
    assert (attention[~TEXT_MASK] == 0).all(), "over pairs, a padded token takes no share"


def test_over_pairs_a_single_object_is_most_relevant_to_one_token():
    """Figure 6(b) selects one object and finds one token; a softmax over objects gives every token the weight 1."""
    text, objects = example()
    attention = to_numpy(make_layer(text, objects)(text, objects[:, :1], TEXT_MASK, return_attention_scores=True)[1])
    np.testing.assert_allclose(attention.sum(axis=(1, 2)), 1.0, rtol=1e-5)
    assert attention[0].max() > 1.2 * attention[0].mean()
    layer = make_layer(text, objects, softmax="objects")
    attention = to_numpy(layer(text, objects[:, :1], TEXT_MASK, return_attention_scores=True)[1])
    np.testing.assert_allclose(attention[TEXT_MASK], 1.0, rtol=1e-6)


@pytest.mark.parametrize("softmax", ["objects", "pairs"])
def test_the_order_of_the_objects_changes_nothing(softmax):
    text, objects = example()
    layer = make_layer(text, objects, softmax=softmax)
    order = [2, 0, 1]
    output = to_numpy(layer(text, objects, TEXT_MASK, OBJECT_MASK))
    moved = to_numpy(layer(text, objects[:, order], TEXT_MASK, OBJECT_MASK[:, order]))
    np.testing.assert_allclose(moved, output, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("softmax", ["objects", "pairs"])
def test_padding_both_sides_further_changes_nothing(softmax):
    text, objects = example()
    layer = make_layer(text, objects, softmax=softmax)
    output = to_numpy(layer(text, objects, TEXT_MASK, OBJECT_MASK))
    rng = np.random.default_rng(0)
    longer = to_numpy(
        layer(
            np.concatenate([text, rng.normal(0, 9, (3, 2, 5)).astype("float32")], axis=1),
            np.concatenate([objects, rng.normal(0, 9, (3, 4, 6)).astype("float32")], axis=1),
            np.pad(TEXT_MASK, ((0, 0), (0, 2))),
            np.pad(OBJECT_MASK, ((0, 0), (0, 4))),
        )
    )
    np.testing.assert_allclose(longer[:, :4][TEXT_MASK], output[TEXT_MASK], rtol=1e-5, atol=1e-5)


def test_all_weights_begin_small_and_nothing_has_a_bias():
    text, objects = example()
    layer = GatedBilinearAttention(rank=4, gate_units=3)
    layer(text, objects)
    for weight in layer.weights:
        assert 0 < np.abs(to_numpy(weight.value)).max() <= weight.shape[0] ** -0.5, weight.path
    shapes = {weight.path.split("/")[-1]: tuple(weight.shape) for weight in layer.weights}
    assert shapes == {
        "text_kernel": (5, 4),
        "object_kernel": (6, 4),
        "pooling": (4,),
        "attended_kernel": (6, 5),
        "gate_object_kernel": (5, 3),
        "gate_text_kernel": (5, 3),
        "gate_kernel": (6, 5),
    }
    ungated = GatedBilinearAttention(rank=4, gate=False)
    ungated(text, objects)
    assert len(ungated.weights) == 4


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="`rank` must be at least 1. Received: rank=0"):
        GatedBilinearAttention(rank=0)
    with pytest.raises(ValueError, match="`gate_units` must be at least 1. Received: gate_units=-2"):
        GatedBilinearAttention(gate_units=-2)
    with pytest.raises(ValueError, match="`softmax` must be 'objects' or 'pairs'. Received: softmax='tokens'"):
        GatedBilinearAttention(softmax="tokens")
