"""AGBAN as its users meet it: what it explains, and the game between its projectors and its classifier."""

import math

import keras
import numpy as np
import pytest
from layer_harness import to_numpy
from small_corpus import make_world

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module")
def world(corpus):
    return make_world("agban", corpus)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_what_is_explained_makes_the_potentials(world):
    model = world.build()
    layer = model.get_layer("attention")
    kernel = to_numpy(model.get_layer("potentials").kernel)
    gate_kernels = (layer.attended_kernel, layer.gate_object_kernel, layer.gate_text_kernel, layer.gate_kernel)
    attended_kernel, of_objects, of_text, opening = (to_numpy(weight) for weight in gate_kernels)
    counts = world.batch()[0]["visual_mask"].sum(axis=1)
    assert set(counts) == {0, 1, 2}
    potentials = model.potentials(world.posts, world.store)
    for row, found in enumerate(model.explain(world.posts, world.store)):
        attention, text, objects = (found[key] for key in ("attention", "text_features", "object_features"))
        assert attention.shape == (len(world.posts[row]), counts[row]) and len(objects) == counts[row]
        # Equations 10 to 14, from what is explained.
        attended = attention @ (objects @ attended_kernel)
        gate = sigmoid(np.concatenate([np.tanh(attended @ of_objects), np.tanh(text @ of_text)], axis=-1) @ opening)
        np.testing.assert_allclose((gate * attended + text) @ kernel, potentials[row], rtol=1e-4, atol=1e-5)


def test_concatenated_objects_have_an_order(corpus):
    world = make_world("agban-concat", corpus)
    model, (inputs, _) = world.build(), world.batch()
    moved = {key: value[:, ::-1] if key.startswith("visual_") else value for key, value in inputs.items()}
    difference = to_numpy(model(moved)["potentials"]) - to_numpy(model(inputs)["potentials"])
    assert np.abs(difference).max() > 1e-4


@pytest.mark.equation("AGBAN 22", "AGBAN 23")
@pytest.mark.parametrize("every", [8, 1])
def test_the_classifier_moves_on_every_eighth_step_and_the_projectors_on_all(world, every):
    inputs, tags = world.batch([5, 6, 8])
    model = world.build(classifier_every=every)
    model.compile(keras.optimizers.Adam(0.01, weight_decay=1e-3), run_eagerly=True)
    layers = [model.get_layer(name) for name in ("modality_classifier", "visual_projector", "bilstm")]
    moved = [[], [], []]
    for step in range(1, 10):
        before = [to_numpy(layer.trainable_variables[0].value) for layer in layers]
        model.train_on_batch(inputs, tags)
        for steps, layer, value in zip(moved, layers, before, strict=True):
            if (to_numpy(layer.trainable_variables[0].value) != value).any():
                steps.append(step)
    assert moved == [[step for step in range(1, 10) if step % every == 0], list(range(1, 10)), list(range(1, 10))]


def adversarial_loss_by_hand(model, inputs):
    """Equation 8 of each post, from the logits."""
    logits = to_numpy(model(inputs)["modality_logits"]).astype("float64")
    tokens = inputs["token_mask"].shape[1]
    losses = []
    for row in range(len(logits)):
        terms = []
        for place in range(logits.shape[1]):
            is_text = place < tokens
            mask = inputs["token_mask"][row, place] if is_text else inputs["visual_mask"][row, place - tokens]
            if mask:
                d = 1 / (1 + math.exp(logits[row, place, 0] - logits[row, place, 1]))
                terms.append(-math.log(d if is_text else 1 - d))
        losses.append(sum(terms) / len(terms))
    return losses


@pytest.mark.equation("AGBAN 8")
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_is_the_crfs_and_the_classifiers(world, reduction):
    inputs, tags = world.batch(range(3, 9))
    model = world.build(loss_reduction=reduction)
    model.compile("sgd", run_eagerly=True)
    reduce = np.mean if reduction == "mean" else np.sum
    crf = -to_numpy(model.crf.log_likelihood(model(inputs)["potentials"], tags, inputs["token_mask"]))
    logs = model.test_on_batch(inputs, tags, return_dict=True)
    assert logs["crf_loss"] == pytest.approx(reduce(crf), rel=1e-4)
    assert logs["adversarial_loss"] == pytest.approx(reduce(adversarial_loss_by_hand(model, inputs)), rel=1e-4)
    assert logs["loss"] == pytest.approx(logs["crf_loss"] + logs["adversarial_loss"], rel=1e-5)


def test_without_the_adversary_there_is_no_classifier(world):
    model = world.build(adversarial=False)
    model.compile("sgd", run_eagerly=True)
    assert not {"modality_logits", "modality_mask"} & set(model.output)
    assert "adversarial_loss" not in model.test_on_batch(*world.batch([5, 6, 8]), return_dict=True)


@pytest.mark.equation("AGBAN 25")
def test_the_schedule_counts_the_steps_of_fit(world):
    model = world.build()
    model.compile(keras.optimizers.SGD(0.001))
    reversal = model.get_layer("gradient_reversal")
    model.fit(world.posts, features=world.store, batch_size=8, validation_data=world.posts, epochs=2, verbose=0)
    assert float(to_numpy(reversal.step.value)) == 6.0
    assert float(to_numpy(reversal.total_steps.value)) == 6.0
    assert float(to_numpy(reversal.current_strength())) == pytest.approx(2 / (1 + math.exp(-10)) - 1, abs=1e-6)


@pytest.mark.equation("AGBAN 22")
def test_the_reversed_gradient_reaches_the_projectors_with_minus_lambda(world):
    """One step of the projector is that without reversal less lambda times the adversary's part."""
    inputs, tags = world.batch(range(3, 9))
    steps = {}
    for strength in (0.0, 0.5, 1.0):
        model = world.build(reversal=strength)
        model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
        kernel = model.get_layer("visual_projector").trainable_variables[0]
        before = to_numpy(kernel.value)
        model.train_on_batch(inputs, tags)
        steps[strength] = to_numpy(kernel.value) - before
    half, whole = steps[0.5] - steps[0.0], steps[1.0] - steps[0.0]
    assert np.abs(whole).max() > 1e-6
    np.testing.assert_allclose(2 * half, whole, rtol=1e-5, atol=1e-6)
