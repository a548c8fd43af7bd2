"""AGBAN's layers against equations 1 to 3 and 7 to 14: outputs and gradients."""

import numpy as np
import paper
import pytest
from equation_harness import prove, scatter, set_weights
from equation_models import SHAPES, lstm_arrays, lstm_weights, network_arrays, network_weights

from agban_keras import GatedBilinearAttention, ModalityClassifier, VisualProjector
from mner_keras.layers import CharBiLSTM, WordEmbedding

each_shape = pytest.mark.parametrize("shape", SHAPES)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.equation("AGBAN 1")
@pytest.mark.parametrize("ids", [[[2, 3, 2], [6, 1, 0]], [[4]]], ids=["unequal lengths", "n=1"])
def test_words_are_looked_up_and_the_gradient_reaches_the_rows_that_were_read(ids):
    """Ids from 5 on are rows of the frozen table."""
    ids = np.array(ids, "int32")
    layer = WordEmbedding(5, 3, frozen_vocabulary_size=2)
    layer(ids)
    set_weights(layer)
    frozen = np.asarray(layer.get_weights()[1], "float64")
    found = prove(lambda e: np.concatenate([e, frozen])[ids], lambda: layer(ids), {}, {"e": layer.table})
    unread = sorted(set(range(5)) - set(ids.ravel()))
    np.testing.assert_array_equal(found["e"][unread], 0.0)


@pytest.mark.equation("AGBAN 2")
def test_last_states_over_each_words_characters_and_their_gradient():
    """Words of four, one and no characters."""
    characters = np.array([[[2, 3, 4, 5], [2, 0, 0, 0]], [[4, 4, 3, 0], [0, 0, 0, 0]]], "int32")
    layer = CharBiLSTM(7, embedding_dim=3, units=4)
    layer(characters)
    set_weights(layer)

    def form(e, **w):
        ways = lstm_arrays("lstm", w)
        return np.reshape(
            [paper.last_states(e[word[word > 0]], *ways) for word in characters.reshape(-1, 4)], (2, 2, 4)
        )

    weights = {"e": layer.embedding.embeddings, **lstm_weights("lstm", layer.lstm)}
    found = prove(form, lambda: layer(characters), {}, weights)
    np.testing.assert_array_equal(found["e"][[0, 1, 6]], 0.0)


@pytest.mark.equation("AGBAN 7")
@each_shape
def test_objects_are_projected_alike_and_the_gradient(shape):
    """In training: normalised over the batch's valid objects."""
    mask = SHAPES[shape][1]
    layer, objects = VisualProjector(3, hidden=(5, 4)), normal(*mask.shape, 4)
    check_network(layer, objects, mask)


@pytest.mark.equation("AGBAN 8")
@each_shape
def test_the_classifiers_network_and_its_gradient(shape):
    mask = np.concatenate(SHAPES[shape], axis=1)
    check_network(ModalityClassifier(hidden=(5, 4)), normal(*mask.shape, 3), mask)


def check_network(layer, inputs, mask):
    layer(inputs, mask=mask)
    set_weights(layer)

    def form(inputs, **w):
        output = np.zeros((*mask.shape, w["f/2"].shape[1]))
        output[mask] = paper.normalised_network(inputs[mask], *network_arrays("f", w))
        return output

    found = prove(
        form,
        lambda inputs: layer(inputs, mask=mask, training=True),
        {"inputs": inputs},
        network_weights("f", layer.network),
        valid=mask[..., None],
    )
    np.testing.assert_allclose(found["inputs"][~mask], 0.0, atol=1e-6)


@pytest.mark.equation("AGBAN 8")
@each_shape
def test_the_adversarial_loss_and_its_gradient(shape):
    tokens, objects = SHAPES[shape]
    mask = np.concatenate([tokens, objects], axis=1)
    is_text = np.arange(mask.shape[1]) < tokens.shape[1]
    logits = normal(*mask.shape, 2) * 2
    layer = ModalityClassifier()

    def form(logits):
        return np.array(
            [paper.adversarial_loss(o[there], is_text[there]) for o, there in zip(logits, mask, strict=True)]
        )

    found = prove(form, lambda logits: layer.loss(logits, is_text, mask), {"logits": logits}, {})
    np.testing.assert_array_equal(found["logits"][~mask], 0.0)


@pytest.mark.equation("AGBAN 9-14")
@pytest.mark.parametrize("softmax", ["objects", "pairs"])
@each_shape
def test_gated_bilinear_attention_and_its_gradient(shape, softmax):
    layer, text, objects, masks = make_attention(shape, softmax=softmax)
    weights = attention_weights(layer)

    def form(text, objects, **w):
        rows = []
        for T, V, t_there, v_there in zip(text, objects, *masks, strict=True):
            G_T, G_V = T[t_there].T, V[v_there].T
            A = paper.bilinear_attention(G_T, G_V, w["p"], w["W_t"], w["W_v"], softmax)
            attended = paper.attended_objects(G_V, A, w["W_a"].T)
            rows.append(paper.gated_fusion(G_T, attended, w["W_gv"].T, w["W_gt"].T, w["W_g"].T).T)
        return scatter(rows, masks[0])

    found = prove(
        form,
        lambda text, objects: layer(text, objects, *masks),
        {"text": text, "objects": objects},
        weights,
        valid=masks[0][..., None],
    )
    np.testing.assert_array_equal(found["text"][~masks[0]], 0.0)
    np.testing.assert_array_equal(found["objects"][~masks[1]], 0.0)
    if not masks[1].any():
        assert all((found[name] == 0).all() for name in weights), "nothing stands there to learn from"


@pytest.mark.equation("AGBAN 9")
@pytest.mark.parametrize("softmax", ["objects", "pairs"])
@each_shape
def test_the_attention_map_and_its_gradient(shape, softmax):
    layer, text, objects, masks = make_attention(shape, softmax=softmax)

    def form(text, objects, p, W_t, W_v):
        output = np.zeros((*masks[0].shape, masks[1].shape[1]))
        for row, (t_there, v_there) in enumerate(zip(*masks, strict=True)):
            A = paper.bilinear_attention(text[row, t_there].T, objects[row, v_there].T, p, W_t, W_v, softmax)
            output[row][np.ix_(t_there, v_there)] = A
        return output

    prove(
        form,
        lambda text, objects: layer(text, objects, *masks, return_attention_scores=True)[1],
        {"text": text, "objects": objects},
        {name: attention_weights(layer)[name] for name in ("p", "W_t", "W_v")},
        valid=masks[0][..., None],
    )


@pytest.mark.equation("AGBAN 10", "AGBAN 14")
@pytest.mark.parametrize("softmax", ["objects", "pairs"])
@each_shape
def test_without_the_gate_what_is_attended_to_is_added_whole(shape, softmax):
    layer, text, objects, masks = make_attention(shape, gate=False, softmax=softmax)

    def form(text, objects, p, W_t, W_v, W_a):
        rows = []
        for T, V, t_there, v_there in zip(text, objects, *masks, strict=True):
            G_T, G_V = T[t_there].T, V[v_there].T
            A = paper.bilinear_attention(G_T, G_V, p, W_t, W_v, softmax)
            rows.append((paper.attended_objects(G_V, A, W_a.T) + G_T).T)
        return scatter(rows, masks[0])

    call = {"text": text, "objects": objects}
    weights = attention_weights(layer)
    prove(form, lambda text, objects: layer(text, objects, *masks), call, weights, valid=masks[0][..., None])


def make_attention(shape, **arguments):
    masks = SHAPES[shape]
    text, objects = normal(*masks[0].shape, 4), normal(*masks[1].shape, 4, seed=1)
    layer = GatedBilinearAttention(rank=3, gate_units=2, **arguments)
    layer(text, objects)
    set_weights(layer, scale=1.5)
    return layer, text, objects, masks


def attention_weights(layer):
    names = {"p": "pooling", "W_t": "text_kernel", "W_v": "object_kernel", "W_a": "attended_kernel"}
    if layer.gate:
        names |= {"W_gv": "gate_object_kernel", "W_gt": "gate_text_kernel", "W_g": "gate_kernel"}
    return {symbol: getattr(layer, name) for symbol, name in names.items()}
