"""AGBAN as a whole against its equations: from ids to the loss, and the gradients of the min-max game."""

import keras
import numpy as np
import paper
import pytest
from equation_harness import assert_gradients, float64, gradients
from equation_models import SHAPES, K, agban_posts, agban_weights, make_agban, make_batch, output_of
from layer_harness import to_numpy

from agban_keras import GradientReversal, ModalityClassifier, VisualProjector

LAMBDA = 0.6
each_shape = pytest.mark.parametrize("shape", SHAPES)


def arrays_of(model):
    weights = {name: weight for group in agban_weights(model).values() for name, weight in group.items()}
    frozen = to_numpy(model.get_layer("word_embedding").frozen_table.value).astype("float64")
    return float64({name: to_numpy(weight.value) for name, weight in weights.items()}), frozen


def training_outputs(model, inputs, names):
    """Outputs of layers and the potentials as training sees them; the weights stay as they were."""
    steps = {name: output_of(model, name) for name in names}
    wanted = keras.Model(model.input, {**model.output, **steps})
    with keras.StatelessScope(state_mapping=[(weight, weight.value) for weight in model.weights]):
        return wanted({name: inputs[name] for name in model.input}, training=True)


@pytest.mark.equation("AGBAN 1-7", "AGBAN 15-16")
@pytest.mark.parametrize("softmax", ["objects", "pairs"])
@each_shape
def test_each_step_of_the_model_is_the_papers(shape, softmax):
    """A post's scores are those of its own n tokens, T = (t_1, ..., t_n), whatever stands beside them in the batch."""
    model = make_agban(softmax=softmax)
    inputs, _ = make_batch(shape, frozen=2)
    layers = {"G_T": "text_dropout", "G_V": "visual_projector", "G_M": "attention"}
    outputs = training_outputs(model, inputs, layers.values())
    for row, expected in enumerate(agban_posts(*arrays_of(model), inputs, softmax)):
        assert expected["S"].shape == (inputs["token_mask"][row].sum(), K)
        for name, layer in {**layers, "S": "potentials"}.items():
            there = inputs["visual_mask" if name == "G_V" else "token_mask"][row]
            found = to_numpy(outputs[layer])[row][there]
            np.testing.assert_allclose(found, expected[name], rtol=1e-5, atol=2e-5, err_msg=name)


@pytest.mark.equation("AGBAN 8", "AGBAN 15-20", "AGBAN 22-25")
@each_shape
def test_one_loss_behind_gradient_reversal_gives_each_player_its_gradient(shape):
    """Projectors descend L_crf - lambda L_adv, attention and CRF descend L_crf, the classifier descends L_adv."""
    model = make_agban(reversal=LAMBDA)
    inputs, tags = make_batch(shape, frozen=2)
    exact, frozen = arrays_of(model)

    def losses(w):
        crf = adversarial = 0.0
        for row, made in enumerate(agban_posts(w, frozen, inputs)):
            labels = tags[row][inputs["token_mask"][row]]  # eq. 17
            crf -= paper.log_probability(labels, made["S"], w["Q"])  # eq. 18-20
            adversarial += made["L_adv"]
        return crf, adversarial

    def loss():
        return model.compute_loss(y=tags, y_pred=model(inputs, training=True))

    with keras.StatelessScope(state_mapping=[(weight, weight.value) for weight in model.weights]):
        assert float(to_numpy(loss())) == pytest.approx(sum(losses(exact)), rel=1e-5, abs=1e-5)

    groups = agban_weights(model)
    named = {name: weight for group in groups.values() for name, weight in group.items()}
    assert {id(weight) for weight in named.values()} == {id(weight) for weight in model.trainable_weights}
    found = gradients(loss, {}, named)
    share = {"T": (1, -LAMBDA), "V": (1, -LAMBDA), "GBAN": (1, 0), "CRF": (1, 0), "D": (0, 1)}
    for group, weights in groups.items():

        def form(of_crf=share[group][0], of_adversary=share[group][1], **w):
            crf, adversarial = losses(w)
            return of_crf * crf + of_adversary * adversarial

        assert_gradients({name: found[name] for name in weights}, form, exact, places=3)


@pytest.mark.equation("AGBAN 21")
@each_shape
def test_the_tags_are_the_most_probable_ones(shape):
    model = make_agban(adversarial=False)
    inputs, _ = make_batch(shape, frozen=2)
    outputs = training_outputs(model, inputs, [])
    tags = to_numpy(model.crf.decode(outputs["potentials"], outputs["mask"])[0])
    w, frozen = arrays_of(model)
    for row, made in enumerate(agban_posts(w, frozen, inputs)):
        np.testing.assert_array_equal(tags[row][inputs["token_mask"][row]], paper.best_path(made["S"], w["Q"]))


# --- The game, played ---


def adversarial_loss(model, inputs):
    """L_adv as training sees it; the weights and the batch statistics stay as they were."""
    inputs = {name: inputs[name] for name in model.input}
    with keras.StatelessScope(state_mapping=[(weight, weight.value) for weight in model.weights]):
        return float(to_numpy(model.adversarial_loss(model(inputs, training=True))))


@pytest.mark.equation("AGBAN 8", "AGBAN 22", "AGBAN 23")
def test_a_step_of_the_projectors_raises_the_classifiers_loss_and_a_step_of_the_classifier_lowers_it():
    model = make_agban(reversal=1.0, classifier_every=1)
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    inputs, tags = make_batch("unequal lengths")
    groups = agban_weights(model)
    start = {id(weight): to_numpy(weight.value) for weight in model.trainable_weights}
    before = adversarial_loss(model, inputs)
    # No weight on the CRF's loss: what moves, moves for the game alone.
    model.train_on_batch(inputs, tags, sample_weight=np.zeros(len(tags), "float32"))
    moved = {id(weight): to_numpy(weight.value) for weight in model.trainable_weights}
    after = {}
    for player, its_groups in {"projectors": ("T", "V"), "classifier": ("D",)}.items():
        its = {id(weight) for group in its_groups for weight in groups[group].values()}
        for weight in model.trainable_weights:
            weight.assign((moved if id(weight) in its else start)[id(weight)])
        after[player] = adversarial_loss(model, inputs)
    assert after["projectors"] > before + 1e-4
    assert after["classifier"] < before - 1e-4
    for group in ("GBAN", "CRF"):
        for weight in groups[group].values():
            np.testing.assert_array_equal(moved[id(weight)], start[id(weight)])


@pytest.mark.equation("AGBAN 22", "AGBAN 23")
def test_the_classifier_tells_the_modalities_apart_unless_the_projectors_play_against_it():
    """The game alone, without LSTMs: from the same weights, the same hundred steps on the same features."""
    rng = np.random.default_rng(0)
    words, objects = (rng.normal(mean, 1, (16, 3, 4)).astype("float32") for mean in (-1, 1))
    is_text = np.tile(np.arange(6) < 3, (16, 1)).astype("int32")
    losses = {}
    for strength in (0.0, 1.0):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((3, 4)), keras.Input((3, 4))
        projected = [keras.layers.Dense(4)(inputs[0]), VisualProjector(4, hidden=(8, 8))(inputs[1])]
        both = GradientReversal(strength)(keras.layers.Concatenate(axis=1)(projected))
        model = keras.Model(inputs, ModalityClassifier(hidden=(8, 8))(both))
        model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        for _ in range(100):
            model.train_on_batch((words, objects), is_text)
        losses[strength] = float(to_numpy(model.loss(is_text, model((words, objects), training=True))))
    assert losses[0.0] < 0.2, "nobody plays against the classifier"
    assert losses[1.0] > 0.4, "the projectors do; log 2 is a coin"
