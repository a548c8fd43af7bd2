import math

import keras
import numpy as np
import pytest
from layer_harness import to_numpy

from mner_keras.layers import WordEmbedding


@pytest.mark.equation("AGBAN 1")
def test_ids_below_the_vocabulary_read_the_trained_table_and_ids_behind_it_the_frozen_one():
    layer = WordEmbedding(4, 3, frozen_vocabulary_size=2)
    ids = np.array([[0, 3, 4], [5, 1, 2]], "int32")
    layer(ids)
    trained = np.arange(12, dtype="float32").reshape(4, 3)
    frozen = 100 + np.arange(6, dtype="float32").reshape(2, 3)
    layer.load_vectors(trained, np.ones(4, bool), frozen)
    output = to_numpy(layer(ids))
    for place in np.ndindex(ids.shape):
        row = ids[place]
        np.testing.assert_array_equal(output[place], trained[row] if row < 4 else frozen[row - 4])


def test_known_rows_are_taken_over_and_the_others_drawn_with_the_deviation_of_the_loaded_vectors():
    rng = np.random.default_rng(0)
    layer = WordEmbedding(3000, 10, frozen_vocabulary_size=500, unknown="normal")
    layer.build()
    rows = rng.normal(0, 0.37, size=(3000, 10)).astype("float32")
    known = np.arange(3000) % 3 == 0
    frozen = rng.normal(0, 0.37, size=(500, 10)).astype("float32")
    layer.load_vectors(rows, known, frozen)
    table = to_numpy(layer.table.value)
    np.testing.assert_array_equal(table[known], rows[known])
    np.testing.assert_array_equal(to_numpy(layer.frozen_table.value), frozen)
    drawn = table[~known]
    assert abs(drawn.std() - 0.37) < 0.01
    assert abs(drawn.mean()) < 0.01
    assert not np.isclose(drawn, rows[~known]).all(axis=1).any()


def test_uniform_unknown_rows_keep_within_sqrt_3_over_the_width():
    layer = WordEmbedding(3000, 12, unknown="uniform")
    layer.build()
    limit = math.sqrt(3 / 12)

    def check(drawn):
        assert np.abs(drawn).max() <= limit
        assert np.abs(drawn).max() > 0.99 * limit
        assert abs(drawn.std() - limit / math.sqrt(3)) < 0.01

    check(to_numpy(layer.table.value))
    known = np.arange(3000) < 100
    layer.load_vectors(np.full((3000, 12), 5, "float32"), known, np.zeros((0, 12), "float32"))
    table = to_numpy(layer.table.value)
    np.testing.assert_array_equal(table[:100], 5)
    check(table[100:])


def test_without_vectors_normal_rows_deviate_by_one_over_the_root_of_the_width():
    layer = WordEmbedding(5000, 16)
    layer.build()
    assert abs(to_numpy(layer.table.value).std() - 0.25) < 0.01
    layer.load_vectors(np.zeros((5000, 16), "float32"), np.zeros(5000, bool), np.zeros((0, 16), "float32"))
    assert abs(to_numpy(layer.table.value).std() - 0.25) < 0.01


def test_training_moves_the_rows_that_were_read_and_no_frozen_row():
    inputs = keras.Input((None,), dtype="int32")
    layer = WordEmbedding(5, 3, frozen_vocabulary_size=4)
    model = keras.Model(inputs, layer(inputs))
    layer.load_vectors(np.ones((5, 3), "float32"), np.ones(5, bool), np.full((4, 3), 2, "float32"))
    model.compile(keras.optimizers.SGD(0.5), "mse")
    ids = np.array([[2, 3, 6, 8]], "int32")
    model.fit(ids, np.zeros((1, 4, 3), "float32"), verbose=0)
    table = to_numpy(layer.table.value)
    assert (table[[2, 3]] < 1).all()
    np.testing.assert_array_equal(table[[0, 1, 4]], 1)
    np.testing.assert_array_equal(to_numpy(layer.frozen_table.value), 2)
    assert [weight.path.split("/")[-1] for weight in layer.trainable_weights] == ["table"]


def test_no_frozen_table_without_frozen_words():
    layer = WordEmbedding(5, 3)
    layer.build()
    assert len(layer.weights) == 1
