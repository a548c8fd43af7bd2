"""Multi-head hierarchical attention against equations 8 to 16, one number at a time."""

import math

import numpy as np
import pytest
from keras import ops
from layer_harness import gradient, randomize, to_numpy

from hsn_keras import MultiHeadHierarchicalAttention

QUERY_MASK = np.array([[True, True, True, True], [True, True, False, False], [True, False, False, False]])
VALUE_MASK = np.array([[True, True, True], [True, False, False], [True, False, True]])
NOTHING = np.zeros((3, 3), bool)


def softmax(values):
    """Of a list; an empty list stays one."""
    if not values:
        return []
    top = max(values)
    shares = [math.exp(value - top) for value in values]
    return [share / sum(shares) for share in shares]


def oracle_row(queries, values, query_kernels, value_kernels, head_softmax):
    """s of one post, from valid queries [n, d] and valid values [k, d'] alone."""
    n, k = len(queries), len(values)
    heads = []
    for query_kernel, value_kernel in zip(query_kernels, value_kernels, strict=True):  # eq. 15
        projected_queries = [query @ query_kernel for query in queries]
        projected_values = [value @ value_kernel for value in values]
        match = [[float(np.dot(v, q)) for q in projected_queries] for v in projected_values]  # eq. 8, M(i, j)
        # eq. 9-10: for each query a distribution over the values.
        alpha = [softmax([match[i][t] for i in range(k)]) for t in range(n)]
        # eq. 11-12: for each value a distribution over the queries, and their mean over the values.
        beta_of = [softmax([match[i][j] for j in range(n)]) for i in range(k)]
        beta = [sum(beta_of[i][j] for i in range(k)) / max(k, 1) for j in range(n)]
        # eq. 13
        head = [sum(alpha[t][i] * beta[t] for t in range(n)) for i in range(k)]
        heads.append(softmax(head) if head_softmax else head)  # eq. 14
    return [sum(head[i] for head in heads) / len(heads) for i in range(k)]


def oracle(layer, query, value, query_mask, value_mask):
    e = layer.num_heads
    query_kernels = np.split(to_numpy(layer.query_kernel.value).astype("float64"), e, axis=1)
    value_kernels = np.split(to_numpy(layer.value_kernel.value).astype("float64"), e, axis=1)
    scores = np.zeros(value.shape[:2])
    for row in range(len(query)):
        there = np.flatnonzero(value_mask[row])
        queries = query[row][query_mask[row]].astype("float64")
        weights = oracle_row(
            list(queries), list(value[row][there].astype("float64")), query_kernels, value_kernels, layer.head_softmax
        )
        scores[row, there] = weights
    return scores[..., None] * value, scores


def example(n=4, k=3, d=6, width=8):
    rng = np.random.default_rng(n * 10 + k)
    return rng.normal(size=(3, n, d)).astype("float32"), rng.normal(size=(3, k, width)).astype("float32")


def make_layer(query, value, **arguments):
    layer = MultiHeadHierarchicalAttention(**{"num_heads": 2, **arguments})
    layer(query, value)
    randomize(layer, 0.7)
    return layer


@pytest.mark.equation("HSN 8-16")
@pytest.mark.parametrize("head_softmax", [True, False])
@pytest.mark.parametrize(
    ("n", "k", "query_mask", "value_mask"),
    [
        (4, 3, None, None),
        (4, 3, QUERY_MASK, VALUE_MASK),
        (1, 3, None, VALUE_MASK),
        (4, 1, QUERY_MASK, None),
        (1, 1, None, None),
        (4, 3, QUERY_MASK, NOTHING),
    ],
    ids=["no masks", "masks", "n=1", "k=1", "n=1 and k=1", "every value masked"],
)
def test_equals_the_equations(n, k, query_mask, value_mask, head_softmax):
    query, value = example(n, k)
    layer = make_layer(query, value, head_softmax=head_softmax)
    output, scores = layer(query, value, query_mask=query_mask, value_mask=value_mask, return_attention_scores=True)
    query_mask = np.ones((3, n), bool) if query_mask is None else query_mask
    value_mask = np.ones((3, k), bool) if value_mask is None else value_mask
    expected_output, expected_scores = oracle(layer, query, value, query_mask, value_mask)
    np.testing.assert_allclose(to_numpy(scores), expected_scores, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(to_numpy(output), expected_output, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(to_numpy(scores)[~value_mask], 0.0)
    some = value_mask.any(axis=1)
    np.testing.assert_allclose(to_numpy(scores).sum(axis=1)[some], 1.0, rtol=1e-5, atol=1e-5)


@pytest.mark.equation("HSN 14", "HSN 15")
@pytest.mark.parametrize("num_heads, head_dim", [(1, None), (4, None), (3, 5)])
def test_heads_of_other_number_and_width_equal_the_equations(num_heads, head_dim):
    query, value = example()
    layer = make_layer(query, value, num_heads=num_heads, head_dim=head_dim)
    assert layer.query_kernel.shape == (6, num_heads * (head_dim or 8 // num_heads))
    output, scores = layer(query, value, QUERY_MASK, VALUE_MASK, return_attention_scores=True)
    expected_output, expected_scores = oracle(layer, query, value, QUERY_MASK, VALUE_MASK)
    np.testing.assert_allclose(to_numpy(scores), expected_scores, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(to_numpy(output), expected_output, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("head_softmax", [True, False])
def test_no_values_at_all(head_softmax):
    query, value = example()
    layer = make_layer(query, value, head_softmax=head_softmax)
    empty = value[:, :0]
    for value_mask in (None, NOTHING[:, :0]):
        output, scores = layer(query, empty, query_mask=QUERY_MASK, value_mask=value_mask, return_attention_scores=True)
        assert to_numpy(output).shape == (3, 0, 8)
        assert to_numpy(scores).shape == (3, 0)


@pytest.mark.parametrize("head_softmax", [True, False])
def test_no_query_at_all_weighs_every_valid_value_alike(head_softmax):
    """HSN's image-to-text unit for a picture without regions: finite, and nothing from masked tokens."""
    query, value = example()
    layer = make_layer(query, value, head_softmax=head_softmax)
    value_mask = VALUE_MASK.copy()
    value_mask[2] = False
    expected = value_mask / np.maximum(value_mask.sum(axis=1, keepdims=True), 1) if head_softmax else value_mask * 0.0
    for queries, query_mask in ((query, np.zeros((3, 4), bool)), (query[:, :0], None)):
        _, scores = layer(queries, value, query_mask=query_mask, value_mask=value_mask, return_attention_scores=True)
        np.testing.assert_allclose(to_numpy(scores), expected, rtol=1e-5, atol=1e-6)


def test_gradient_is_finite_where_everything_is_masked():
    query, value = example()
    layer = make_layer(query, value)
    for query_mask, value_mask in ((QUERY_MASK, NOTHING), (QUERY_MASK & False, VALUE_MASK)):
        found = gradient(lambda x, q=query_mask, v=value_mask: ops.sum(layer(x, value, q, v) ** 2), query)
        assert np.isfinite(found).all()


def test_padding_both_sides_further_changes_nothing():
    query, value = example()
    layer = make_layer(query, value)
    output, scores = layer(query, value, QUERY_MASK, VALUE_MASK, return_attention_scores=True)
    rng = np.random.default_rng(0)
    longer_query = np.concatenate([query, rng.normal(0, 9, (3, 2, 6)).astype("float32")], axis=1)
    longer_value = np.concatenate([value, rng.normal(0, 9, (3, 4, 8)).astype("float32")], axis=1)
    more_output, more_scores = layer(
        longer_query,
        longer_value,
        np.pad(QUERY_MASK, ((0, 0), (0, 2))),
        np.pad(VALUE_MASK, ((0, 0), (0, 4))),
        return_attention_scores=True,
    )
    np.testing.assert_allclose(to_numpy(more_scores)[:, :3], to_numpy(scores), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(to_numpy(more_scores)[:, 3:], 0.0)
    np.testing.assert_allclose(to_numpy(more_output)[:, :3], to_numpy(output), rtol=1e-5, atol=1e-6)


def test_the_order_of_the_values_is_kept_and_that_of_the_queries_does_not_matter():
    query, value = example()
    layer = make_layer(query, value)
    scores = to_numpy(layer(query, value, QUERY_MASK, VALUE_MASK, return_attention_scores=True)[1])
    order, turn = [2, 0, 1], [3, 1, 0, 2]
    moved = layer(
        query[:, turn], value[:, order], QUERY_MASK[:, turn], VALUE_MASK[:, order], return_attention_scores=True
    )
    np.testing.assert_allclose(to_numpy(moved[1]), scores[:, order], rtol=1e-5, atol=1e-6)


@pytest.mark.equation("HSN 14")
def test_the_printed_softmax_keeps_weights_within_a_factor_of_e():
    query, value = example()
    layer = make_layer(query, value)
    randomize(layer, 5.0)
    scores = to_numpy(layer(query, value, return_attention_scores=True)[1])
    assert (scores.max(axis=1) / scores.min(axis=1) <= math.e + 1e-4).all()
    layer.head_softmax = False
    scores = to_numpy(layer(query, value, return_attention_scores=True)[1])
    assert (scores.max(axis=1) / np.maximum(scores.min(axis=1), 1e-9)).max() > math.e


def test_without_scores_only_the_output_is_returned():
    query, value = example()
    layer = make_layer(query, value)
    output = layer(query, value)
    assert output.shape == value.shape
    assert len(layer.weights) == 2, "the projections have no bias"


def test_wrong_heads_are_refused():
    with pytest.raises(ValueError, match="`num_heads` must be at least 1. Received: num_heads=0"):
        MultiHeadHierarchicalAttention(num_heads=0)
    with pytest.raises(ValueError, match="`head_dim` must be at least 1. Received: head_dim=0"):
        MultiHeadHierarchicalAttention(head_dim=0)
    query, value = example()
    with pytest.raises(ValueError, match="`num_heads` must divide the width of `value`, 8.*Received: num_heads=3"):
        MultiHeadHierarchicalAttention(num_heads=3)(query, value)
