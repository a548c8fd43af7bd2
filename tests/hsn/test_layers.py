"""The layers of HSN's ablations against NumPy; what HSN's layers refuse."""

import numpy as np
import paper
import pytest
from keras import ops
from layer_harness import gradient, randomize, to_numpy

from hsn_keras import (
    HierarchicalAttention,
    MultiHeadGeneralAttention,
    MultiHeadHierarchicalAttention,
    SelfAdaptiveIntegration,
)

QUERY_MASK = np.array([[True, True, True, True], [True, True, False, False], [True, False, False, False]])
VALUE_MASK = np.array([[True, True, True], [True, False, False], [True, False, True]])
NOTHING = np.zeros((3, 3), bool)

LAYERS = {"hierarchical": HierarchicalAttention, "general": lambda: MultiHeadGeneralAttention(num_heads=2)}
each_layer = pytest.mark.parametrize("name", LAYERS)


def example(n=4, k=3, d=6):
    rng = np.random.default_rng(n * 10 + k)
    return rng.normal(size=(3, n, d)).astype("float32"), rng.normal(size=(3, k, d)).astype("float32")


def general_oracle(layer, queries, values):
    """Luong's score in each head, the mean over the queries, eq. 14 over the heads."""
    query_kernel, value_kernel, score_kernel = (
        to_numpy(weight.value).astype("float64")
        for weight in (layer.query_kernel, layer.value_kernel, layer.score_kernel)
    )
    width = score_kernel.shape[-1]
    total = 0
    for e, kernel in enumerate(score_kernel):
        columns = slice(e * width, (e + 1) * width)
        scores = queries @ query_kernel[:, columns] @ kernel @ (values @ value_kernel[:, columns]).T
        head = paper.softmax(scores, axis=1).mean(axis=0)
        total = total + (paper.softmax(head, axis=0) if layer.head_softmax else head)
    return total / layer.num_heads


def check(layer, weights_of, query, value, query_mask, value_mask):
    output, scores = layer(query, value, query_mask=query_mask, value_mask=value_mask, return_attention_scores=True)
    query_mask = np.ones(query.shape[:2], bool) if query_mask is None else query_mask
    value_mask = np.ones(value.shape[:2], bool) if value_mask is None else value_mask
    expected = np.zeros(value.shape[:2])
    for row in range(len(query)):
        queries, values = query[row][query_mask[row]].astype("float64"), value[row][value_mask[row]].astype("float64")
        if len(values):
            expected[row, value_mask[row]] = weights_of(queries, values)
    np.testing.assert_allclose(to_numpy(scores), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(to_numpy(output), expected[..., None] * value, rtol=1e-5, atol=1e-5)
    some = value_mask.any(axis=1)
    np.testing.assert_allclose(to_numpy(scores).sum(axis=1)[some], 1.0, rtol=1e-5, atol=1e-5)


CASES = pytest.mark.parametrize(
    ("n", "k", "query_mask", "value_mask"),
    [
        (4, 3, None, None),
        (4, 3, QUERY_MASK, VALUE_MASK),
        (1, 3, None, VALUE_MASK),
        (4, 1, QUERY_MASK, None),
        (4, 3, QUERY_MASK, NOTHING),
    ],
    ids=["no masks", "masks", "n=1", "k=1", "every value masked"],
)


@CASES
def test_hierarchical_attention_is_equations_8_to_13(n, k, query_mask, value_mask):
    query, value = example(n, k)
    layer = HierarchicalAttention()
    check(layer, lambda q, v: paper.hierarchical_attention(v, q), query, value, query_mask, value_mask)
    assert layer.weights == []


@pytest.mark.parametrize("head_softmax", [True, False])
@CASES
def test_general_attention_is_luongs_score_in_each_head(n, k, query_mask, value_mask, head_softmax):
    query, value = example(n, k)
    layer = MultiHeadGeneralAttention(num_heads=2, head_softmax=head_softmax)
    layer(query, value)
    randomize(layer, 0.7)
    assert sorted(tuple(weight.shape) for weight in layer.weights) == [(2, 3, 3), (6, 6), (6, 6)]
    check(layer, lambda q, v: general_oracle(layer, q, v), query, value, query_mask, value_mask)


@each_layer
def test_no_values_and_nothing_valid_are_finite_with_finite_gradients(name):
    query, value = example()
    layer = LAYERS[name]()
    output, scores = layer(query, value[:, :0], QUERY_MASK, return_attention_scores=True)
    assert to_numpy(output).shape == (3, 0, 6)
    assert to_numpy(scores).shape == (3, 0)
    for query_mask, value_mask in ((QUERY_MASK, NOTHING), (QUERY_MASK & False, VALUE_MASK)):
        found = gradient(lambda x, q=query_mask, v=value_mask: ops.sum(layer(x, value, q, v) ** 2), query)
        assert np.isfinite(found).all()


def test_widths_that_do_not_fit_are_refused():
    query, value = example()
    for layer, names in (
        (HierarchicalAttention, "`query` and `value`"),
        (SelfAdaptiveIntegration, "`text` and `fusion`"),
    ):
        with pytest.raises(ValueError, match=rf"{names} must have the same width.*\(3, 3, 6\).*\(3, 3, 5\)"):
            layer()(value, value[..., :5])
    with pytest.raises(ValueError, match="`num_heads` must divide the width of `value`, 6.*Received: num_heads=4"):
        MultiHeadHierarchicalAttention(num_heads=4)(query, value)
    with pytest.raises(ValueError, match="`head_dim` must be at least 1. Received: head_dim=0"):
        MultiHeadHierarchicalAttention(head_dim=0)
