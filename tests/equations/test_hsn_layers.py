"""HSN's layers against equations 5 to 18: outputs and gradients."""

import keras
import numpy as np
import paper
import pytest
from equation_harness import prove, scatter, set_weights
from layer_harness import to_numpy

from hsn_keras import MultiHeadHierarchicalAttention, SelfAdaptiveIntegration
from mner_keras.layers import BiLSTM, CharCNN, Highway

# A whole post, one whose lengths are unequal, one of a single token and region, one whose regions are all masked.
TOKENS = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]], bool)
REGIONS = np.array([[1, 1, 1], [1, 0, 1], [1, 0, 0], [0, 0, 0]], bool)

SHAPES = {
    "unequal lengths": (TOKENS, REGIONS),
    "nothing masked": (np.ones((2, 4), bool), np.ones((2, 3), bool)),
    "n=1": (TOKENS[:, :1], REGIONS),
    "k=1": (TOKENS, REGIONS[:, :1]),
    "n=1 and k=1": (TOKENS[:, :1], REGIONS[:, :1]),
    "k=0": (TOKENS, REGIONS[:, :0]),
    "all tokens but one padded": (TOKENS[2:3], REGIONS[:1]),
    "every region masked": (TOKENS, REGIONS & False),
}
each_shape = pytest.mark.parametrize("shape", SHAPES)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.equation("HSN 5")
@pytest.mark.parametrize("n", [3, 1])
def test_tanh_of_the_highway_layer_and_its_gradient(n):
    layer, tanh = Highway(), keras.layers.Activation("tanh")
    x = normal(2, n, 4)
    layer(x)
    set_weights(layer)
    weights = {
        "kernel": layer.transform.kernel,
        "bias": layer.transform.bias,
        "gate_kernel": layer.gate.kernel,
        "gate_bias": layer.gate.bias,
    }
    prove(paper.highway_tanh, lambda x: tanh(layer(x)), {"x": x}, weights)


@pytest.mark.equation("HSN 6", "AGBAN 4-6")
@pytest.mark.parametrize("mask", [TOKENS, TOKENS[:, :1], TOKENS[2:3]], ids=["unequal lengths", "n=1", "one token"])
def test_bilstm_reads_each_rows_own_tokens_both_ways_and_its_gradient(mask):
    layer = BiLSTM(6)
    x = normal(*mask.shape, 4)
    layer(x, mask=mask)
    set_weights(layer)
    names = [f"{way}_{name}" for way in ("forward", "backward") for name in ("kernel", "recurrent", "bias")]
    weights = dict(zip(names, [*layer.forward_lstm.weights, *layer.backward_lstm.weights], strict=True))

    def form(x, **w):
        ways = [w[name] for name in names[:3]], [w[name] for name in names[3:]]
        return scatter([paper.bilstm(row[there], *ways) for row, there in zip(x, mask, strict=True)], mask)

    # Everywhere: the layer gives zeros at padded tokens, as the form's array does.
    found = prove(form, lambda x: layer(x, mask=mask), {"x": x}, weights)
    np.testing.assert_array_equal(found["x"][~mask], 0.0)


def test_characters_convolved_and_their_gradient():
    """x^c, which has no number; words of four, one and no characters."""
    characters = np.array([[[2, 3, 4, 5], [2, 0, 0, 0]], [[4, 4, 3, 0], [0, 0, 0, 0]]], "int32")
    layer = CharCNN(7, embedding_dim=3, filters=4)
    layer(characters)
    set_weights(layer)
    weights = {"table": layer.embedding.embeddings, "kernel": layer.convolution.kernel, "bias": layer.convolution.bias}

    def form(table, kernel, bias):
        words = [paper.convolution(table[word[word > 0]], kernel, bias) for word in characters.reshape(-1, 4)]
        return np.reshape(words, (2, 2, 4))

    found = prove(form, lambda: layer(characters), {}, weights)
    np.testing.assert_array_equal(found["table"][[0, 1, 6]], 0.0)


@pytest.mark.equation("HSN 7")
@pytest.mark.parametrize("k", [3, 1, 0])
def test_regions_pass_one_relu_layer_and_its_gradient(k):
    layer = keras.layers.Dense(4, activation="relu")
    regions = normal(2, k, 5)
    layer.build(regions.shape)
    set_weights(layer)
    prove(
        paper.region_features,
        lambda regions: layer(regions),
        {"regions": regions},
        dict(kernel=layer.kernel, bias=layer.bias),
    )


@pytest.mark.equation("HSN 8-16")
@pytest.mark.parametrize("head_softmax", [True, False])
@each_shape
def test_regions_weighed_by_the_text_and_the_gradient(shape, head_softmax):
    """Text-to-image: s_img * V."""
    check_unit(*SHAPES[shape], head_softmax)


@pytest.mark.equation("HSN 8-16")
@pytest.mark.parametrize("head_softmax", [True, False])
@each_shape
def test_tokens_weighed_by_the_regions_and_the_gradient(shape, head_softmax):
    """Image-to-text: the roles swapped, s_sen * H; without any region every token weighs the same."""
    check_unit(*SHAPES[shape][::-1], head_softmax)


@pytest.mark.equation("HSN 14", "HSN 15")
@pytest.mark.parametrize(("num_heads", "head_dim"), [(1, None), (4, None), (3, 5)])
def test_heads_of_other_number_and_width_equal_the_equations(num_heads, head_dim):
    layer = check_unit(TOKENS, REGIONS, True, num_heads, head_dim)
    assert layer.query_kernel.shape == (3, num_heads * (head_dim or 4 // num_heads))


def check_unit(query_mask, value_mask, head_softmax, num_heads=2, head_dim=None):
    layer = MultiHeadHierarchicalAttention(num_heads, head_dim, head_softmax)
    query, value = normal(*query_mask.shape, 3), normal(*value_mask.shape, 4, seed=1)
    layer.build(query.shape, value.shape)
    set_weights(layer, scale=1.5)

    def weights(query, value, query_kernel, value_kernel):
        return [
            paper.multi_head(v[v_there], q[q_there], value_kernel, query_kernel, num_heads, head_softmax)
            for q, v, q_there, v_there in zip(query, value, query_mask, value_mask, strict=True)
        ]

    def form(query, value, **kernels):
        rows = zip(weights(query, value, **kernels), value, value_mask, strict=True)
        return scatter([s[:, None] * v[there] for s, v, there in rows], value_mask)  # eq. 16

    found = prove(
        form,
        lambda query, value: layer(query, value, query_mask=query_mask, value_mask=value_mask),
        {"query": query, "value": value},
        {"query_kernel": layer.query_kernel, "value_kernel": layer.value_kernel},
        valid=value_mask[..., None],
    )
    np.testing.assert_array_equal(found["query"][~query_mask], 0.0)
    np.testing.assert_array_equal(found["value"][~value_mask], 0.0)
    kernels = {name: to_numpy(getattr(layer, name).value) for name in ("query_kernel", "value_kernel")}
    scores = layer(query, value, query_mask, value_mask, return_attention_scores=True)[1]
    expected = scatter(weights(query, value, **kernels), value_mask)
    np.testing.assert_allclose(to_numpy(scores), expected, rtol=1e-5, atol=1e-5)
    return layer


@pytest.mark.equation("HSN 17", "HSN 18")
@pytest.mark.parametrize("gate", ["token", "feature"])
@pytest.mark.parametrize("n", [3, 1])
def test_gate_between_text_and_fusion_and_its_gradient(n, gate):
    layer = SelfAdaptiveIntegration(gate)
    text, fusion = normal(2, n, 4), normal(2, n, 4, seed=1)
    layer.build(text.shape, fusion.shape)
    set_weights(layer)
    prove(
        paper.integration,
        lambda H, F: layer(H, F),
        {"H": text, "F": fusion},
        {"W": layer.text_gate.kernel, "U": layer.fusion_gate.kernel, "b": layer.text_gate.bias},
    )
