"""HSN as a whole against its equations: from ids to the loss, one post at a time, and the loss' gradient."""

import keras
import numpy as np
import paper
import pytest
from equation_harness import assert_gradients, float64, gradients
from equation_models import SHAPES, hsn_post, hsn_weights, make_batch, make_hsn, output_of, post
from layer_harness import to_numpy

each_shape = pytest.mark.parametrize("shape", SHAPES)


def posts_in_numpy(w, frozen, inputs, head_softmax=True):
    for row in range(len(inputs["word_ids"])):
        words, characters, pos, regions = post(inputs, row, "word_ids", "char_ids", "pos_ids", "visual_features")
        yield hsn_post(w, frozen, words, characters, pos, regions.astype("float64"), head_softmax)


def arrays_of(model):
    frozen = to_numpy(model.get_layer("word_embedding").frozen_table.value).astype("float64")
    return float64({name: to_numpy(weight.value) for name, weight in hsn_weights(model).items()}), frozen


@pytest.mark.equation("HSN 1-2", "HSN 5-7")
@pytest.mark.parametrize("head_softmax", [True, False])
@each_shape
def test_each_step_of_the_model_is_the_papers(shape, head_softmax):
    model = make_hsn(head_softmax=head_softmax)
    inputs, _ = make_batch(shape, frozen=2)
    layers = {"H": "text_dropout", "V": "region_projection", "F": "image_to_text", "O": "integration"}
    steps = {name: output_of(model, layer) for name, layer in layers.items()}
    steps["potentials"] = model.output["potentials"]
    found = {name: to_numpy(value) for name, value in keras.Model(model.input, steps)(inputs).items()}
    for row, expected in enumerate(posts_in_numpy(*arrays_of(model), inputs, head_softmax)):
        for name, value in expected.items():
            there = inputs["visual_mask" if name == "V" else "token_mask"][row]
            np.testing.assert_allclose(found[name][row][there], value, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.equation("HSN 1-3", "HSN 5-18")
@each_shape
def test_the_loss_is_the_mean_of_minus_log_p_and_so_is_its_gradient(shape):
    model = make_hsn()
    inputs, tags = make_batch(shape, frozen=2)
    exact, frozen = arrays_of(model)

    def form(**w):
        losses = []
        for row, made in enumerate(posts_in_numpy(w, frozen, inputs)):
            labels = tags[row][inputs["token_mask"][row]]
            losses.append(-paper.log_probability(labels, made["potentials"], w["transitions"], w["start"], w["end"]))
        return np.mean(losses)

    def loss():
        return model.compute_loss(y=tags, y_pred=model(inputs, training=True))

    assert float(to_numpy(loss())) == pytest.approx(form(**exact), rel=1e-5, abs=1e-5)
    weights = hsn_weights(model)
    assert {id(weight) for weight in weights.values()} == {id(weight) for weight in model.trainable_weights}
    assert_gradients(gradients(loss, {}, weights), form, exact, places=4)


@pytest.mark.equation("HSN 4")
@each_shape
def test_the_tags_are_the_most_probable_ones(shape):
    model = make_hsn()
    inputs, _ = make_batch(shape, frozen=2)
    outputs = model(inputs)
    tags = to_numpy(model.crf.decode(outputs["potentials"], outputs["mask"])[0])
    w, frozen = arrays_of(model)
    for row, made in enumerate(posts_in_numpy(w, frozen, inputs)):
        expected = paper.best_path(made["potentials"], w["transitions"], w["start"], w["end"])
        np.testing.assert_array_equal(tags[row][inputs["token_mask"][row]], expected)
