import math

import numpy as np
import paper
import pytest
from layer_harness import randomize, to_numpy

from mner_keras.layers import CharBiLSTM, CharCNN

# Words of 5, 1, 2, 3 and 0 characters; row 0 pads.
CHAR_IDS = np.array(
    [
        [[2, 3, 4, 5, 6], [7, 0, 0, 0, 0], [2, 2, 0, 0, 0]],
        [[3, 4, 5, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
    ],
    "int32",
)


@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_char_cnn_equals_the_convolution_of_each_word_alone(kernel_size):
    layer = CharCNN(9, embedding_dim=4, filters=6, kernel_size=kernel_size)
    layer(CHAR_IDS)
    randomize(layer)
    output = to_numpy(layer(CHAR_IDS))
    table, kernel, bias = (to_numpy(weight).astype("float64") for weight in layer.weights)
    for place in np.ndindex(CHAR_IDS.shape[:2]):
        expected = paper.convolution(table[CHAR_IDS[place][CHAR_IDS[place] > 0]], kernel, bias)
        np.testing.assert_allclose(output[place], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", [CharCNN(9, 4, 6), CharBiLSTM(9, 4, 6)], ids=["cnn", "bilstm"])
def test_further_padding_of_characters_changes_nothing(layer):
    layer(CHAR_IDS)
    randomize(layer)
    padded = np.pad(CHAR_IDS, ((0, 0), (0, 2), (0, 4)))
    # A layer's width in characters is fixed once it is built; another layer with the same weights takes the wider one.
    wider = type(layer).from_config(layer.get_config())
    wider(padded)
    wider.set_weights(layer.get_weights())
    output = to_numpy(wider(padded))
    np.testing.assert_allclose(output[:, :3], to_numpy(layer(CHAR_IDS)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(output[:, 3:], 0.0)


@pytest.mark.parametrize("make", [CharCNN, CharBiLSTM])
def test_characters_begin_uniform_within_sqrt_3_over_their_width(make):
    layer = make(2000, embedding_dim=12)
    layer(CHAR_IDS)
    table = to_numpy(layer.embedding.embeddings)
    limit = math.sqrt(3 / 12)
    assert np.abs(table).max() <= limit
    assert np.abs(table).max() > 0.99 * limit
    assert abs(table.std() - limit / math.sqrt(3)) < 0.01 * limit


@pytest.mark.parametrize("make", [CharCNN, CharBiLSTM])
def test_characters_are_dropped_in_training_only(make):
    layer = make(9, 4, 6, dropout=0.5)
    still = to_numpy(layer(CHAR_IDS, training=False))
    np.testing.assert_array_equal(still, to_numpy(layer(CHAR_IDS, training=False)))
    assert np.abs(to_numpy(layer(CHAR_IDS, training=True)) - still).max() > 1e-4
