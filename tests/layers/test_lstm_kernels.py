"""The kernels for one backend against the layers' general way."""

import keras
import numpy as np
import pytest
from keras import ops
from layer_harness import gradient, randomize, to_numpy, weight_gradient

from mner_keras.layers import BiLSTM, CharBiLSTM, CharCNN, bilstm, char_encoders
from mner_keras.layers.kernels import has_kernel

pytestmark = pytest.mark.skipif(
    not any(has_kernel(backend, "float32") for backend in ("tensorflow", "torch")),
    reason="this backend has the general way alone",
)

LENGTHS = {
    "unequal": [7, 3, 1, 5],
    "with an empty row": [4, 0, 2, 6],
    "one step": [1, 1, 1, 1],
    "all rows empty": [0, 0, 0, 0],
    "longer than a block": [21, 9, 4, 13],
}


@pytest.fixture
def general(monkeypatch):
    """Return what a function gives without kernels."""

    def run(function):
        with monkeypatch.context() as patch:
            for module in (bilstm, char_encoders):
                patch.setattr(module, "has_kernel", lambda *_: False)
            return function()

    return run


def everything(layer, inputs, mask, training, weighting):
    """The outputs, and the gradients by the inputs and each weight of some sum of them."""

    def total(inputs):
        return ops.sum(layer(inputs, mask=mask, training=training) * ops.convert_to_tensor(weighting))

    found = [to_numpy(layer(inputs, mask=mask, training=training)), gradient(total, inputs)]
    return found + [weight_gradient(lambda: total(inputs), weight) for weight in layer.trainable_weights]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("sequences", [True, False], ids=["states", "last states"])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_a_kernel_gives_the_outputs_and_gradients_of_the_general_way(lengths, sequences, training, general):
    lengths = np.array(LENGTHS[lengths])
    n = max(lengths.max(), 1)
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(len(lengths), n, 5)).astype("float32")
    mask = np.arange(n) < lengths[:, None]
    layer = BiLSTM(6, return_sequences=sequences)
    layer(inputs, mask=mask)
    randomize(layer)
    weighting = rng.normal(size=layer(inputs, mask=mask).shape).astype("float32")
    found = everything(layer, inputs, mask, training, weighting)
    expected = general(lambda: everything(layer, inputs, mask, training, weighting))
    assert len(found) == 8
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", [CharBiLSTM(9, 4, 6), CharCNN(9, 4, 6), CharCNN(9, 4, 6, kernel_size=4)])
def test_characters_are_encoded_as_in_the_general_way(layer, general):
    ids = np.array([[[2, 3, 4, 5], [7, 0, 0, 0], [0] * 4], [[3, 4, 5, 0], [0] * 4, [1, 1, 0, 0]]], "int32")
    layer(ids)
    randomize(layer)
    weighting = np.random.default_rng(0).normal(size=(2, 3, 6)).astype("float32")

    def of_weights():
        total = lambda: ops.sum(layer(ids) * ops.convert_to_tensor(weighting))  # noqa: E731
        return [to_numpy(layer(ids)), *(weight_gradient(total, weight) for weight in layer.trainable_weights)]

    for one, other in zip(of_weights(), general(of_weights), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", [CharBiLSTM(9, 4, 6), CharCNN(9, 4, 6)])
def test_tokens_without_any_character_are_zero(layer):
    np.testing.assert_array_equal(to_numpy(layer(np.zeros((2, 3, 4), "int32"))), np.zeros((2, 3, 6)))


def test_a_compiled_function_of_unknown_shape_gives_the_same():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow alone traces unknown shapes")
    import tensorflow as tf

    layers = BiLSTM(6), BiLSTM(6, return_sequences=False)
    inputs = np.random.default_rng(0).normal(size=(3, 9, 5)).astype("float32")
    mask = np.arange(9) < np.array([9, 0, 4])[:, None]
    expected = [layer(inputs, mask=mask) for layer in layers]
    signature = [tf.TensorSpec((None, None, 5)), tf.TensorSpec((None, None), "bool")]
    compiled = tf.function(lambda x, mask: [layer(x, mask=mask) for layer in layers], input_signature=signature)
    for one, other in zip(compiled(inputs, mask), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
