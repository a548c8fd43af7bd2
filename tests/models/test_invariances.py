"""What must not matter to a model: padding, what stands under the masks, company in the batch, the objects' order."""

import keras
import numpy as np
import pytest
from layer_harness import randomize, to_numpy
from tiny import OBJECTS, REGIONS, VARIANTS, make_world

import mner_keras
from mner_keras.registry import find_model

each_variant = pytest.mark.parametrize("name", VARIANTS)
ROWS = [0, 3, 4, 7, 9, 12]
BEYOND = 3


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    return {kind: make_world(kind, tmp_path_factory.mktemp(kind)) for kind in set(VARIANTS.values())}


@pytest.fixture
def setting(worlds, name):
    """A model with weights of some size, inputs with a mask on every axis, tags."""
    world = worlds[VARIANTS[name]]
    arguments = {"reversal": 0.5, "classifier_every": 1} if VARIANTS[name] == "agban" else {}
    model = world.build(name, loss_reduction="mean", **arguments)
    for layer in model.layers:
        if not isinstance(layer, mner_keras.layers.CRF):
            for weight in layer.trainable_weights:
                weight.assign(to_numpy(weight.value) + 0.1 * np.random.default_rng(0).normal(size=weight.shape))
    randomize(model.crf)
    inputs, tags = world.batch(ROWS)
    assert not inputs["token_mask"].all()
    if VARIANTS[name] == "hsn":
        inputs["visual_mask"] = np.tile([True] * (REGIONS - 1) + [False], (len(ROWS), 1))
    return model, inputs, tags


def garbage_under_the_masks(inputs):
    """Other tokens, characters, parts of speech and pictures where none stands."""
    changed = dict(inputs)
    rng = np.random.default_rng(5)
    for key, array in inputs.items():
        mask = inputs["visual_mask" if key.startswith("visual_") else "token_mask"]
        if not key.endswith("mask"):
            there = mask.reshape(mask.shape + (1,) * (array.ndim - 2))
            other = rng.integers(1, 9, array.shape) if array.dtype.kind == "i" else rng.normal(0, 50, array.shape)
            changed[key] = np.where(there, array, other).astype(array.dtype)
            assert (changed[key] != array).any()
    return changed


def padded_further(inputs):
    """More padded tokens, more absent objects or regions."""
    return {key: np.pad(array, [(0, 0), (0, BEYOND), *[(0, 0)] * (array.ndim - 2)]) for key, array in inputs.items()}


def moved_objects(inputs):
    order = np.roll(np.arange(inputs["visual_mask"].shape[1]), 1)
    return {key: array[:, order] if key.startswith("visual_") else array for key, array in inputs.items()}


def changes(name, inputs):
    """By name, inputs that mean the same."""
    same = {"garbage in further padding": garbage_under_the_masks(padded_further(inputs))}
    if "visual_mask" in inputs and name != "agban-concat":
        same["moved"] = moved_objects(inputs)
    return same


@each_variant
def test_potentials_do_not_depend_on_what_must_not_matter(setting, name):
    model, inputs, _ = setting
    mask = inputs["token_mask"]
    expected = to_numpy(model(inputs)["potentials"])
    for change, other in changes(name, inputs).items():
        found = to_numpy(model(other)["potentials"])[:, : mask.shape[1]]
        np.testing.assert_allclose(found[mask], expected[mask], rtol=1e-4, atol=1e-5, err_msg=change)
    for row in (1, 4):
        length = mask[row].sum()
        alone = {
            key: array[[row]] if key.startswith("visual_") else array[[row], :length] for key, array in inputs.items()
        }
        found = to_numpy(model(alone)["potentials"])
        np.testing.assert_allclose(found[0], expected[row, :length], rtol=1e-4, atol=1e-5, err_msg=f"row {row} alone")


@each_variant
def test_loss_and_gradients_do_not_depend_on_what_must_not_matter(setting, name):
    model, inputs, tags = setting
    # One plain step of size one: the weights move by the gradient. Eagerly, since each length would be compiled anew.
    model.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    initial = model.get_weights()

    def step(batch, batch_tags):
        model.set_weights(initial)
        logs = model.train_on_batch(batch, batch_tags, return_dict=True)
        model.reset_metrics()
        return logs, [after - before for before, after in zip(initial, model.get_weights(), strict=True)]

    logs, moves = step(inputs, tags)
    assert np.isfinite(logs["loss"])
    moved = [np.abs(move).max() > 0 for move in moves]
    assert sum(moved) >= 0.8 * len(moved)
    for change, other in changes(name, inputs).items():
        # Tags of padded tokens are under the mask as well.
        more = other["token_mask"].shape[1] - tags.shape[1]
        other_tags = np.where(other["token_mask"], np.pad(tags, ((0, 0), (0, more))), 3).astype("int32")
        other_logs, other_moves = step(other, other_tags)
        for key, value in logs.items():
            assert other_logs[key] == pytest.approx(value, rel=1e-4, abs=1e-5), (change, key)
        for weight, one, two in zip(model.weights, moves, other_moves, strict=True):
            np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-5, err_msg=f"{change}: {weight.path}")


def test_concatenated_objects_have_an_order(worlds):
    model = worlds["agban"].build("agban-concat")
    inputs, _ = worlds["agban"].batch(ROWS)
    difference = to_numpy(model(moved_objects(inputs))["potentials"]) - to_numpy(model(inputs)["potentials"])
    assert np.abs(difference).max() > 1e-4


def test_without_pictures_hsn_sees_the_encoders_blank_picture_whatever_comes(worlds):
    world = worlds["hsn"]
    inputs, _ = world.batch(ROWS)
    model = world.build("hsn-without-vf")
    blank = {
        **inputs,
        "visual_features": np.tile(world.preprocessor.blank, (len(ROWS), 1, 1)),
        "visual_mask": np.ones((len(ROWS), REGIONS), bool),
    }
    whole = world.build("hsn")
    expected = to_numpy(whole(blank)["potentials"])
    np.testing.assert_allclose(to_numpy(model(inputs)["potentials"]), expected, rtol=1e-5, atol=1e-5)
    assert "visual_features" not in model.input
    assert np.abs(to_numpy(model.get_layer("blank_picture").features.value)).max() == 0.25


# --- What a variant is made of ---


@each_variant
def test_a_variant_is_the_class_with_the_arguments_of_its_name(worlds, name, tmp_path):
    world = worlds[VARIANTS[name]]
    model = world.build(name)
    entry = find_model(name)
    assert type(model) is entry.load_class()
    assert {key: getattr(model, key) for key in entry.arguments} == dict(entry.arguments)
    model.save(tmp_path / "model.keras")
    loaded = mner_keras.load(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    inputs, _ = world.batch(ROWS)
    np.testing.assert_allclose(
        to_numpy(loaded(inputs)["potentials"]), to_numpy(model(inputs)["potentials"]), rtol=1e-5, atol=1e-6
    )


def test_the_rows_of_table_5_and_of_table_iii_differ_where_they_say(worlds):
    def parts(name):
        model = worlds[VARIANTS[name]].build(name)
        return {layer.name: type(layer).__name__ for layer in model.layers}, model

    whole, hsn = parts("hsn")
    assert whole["text_to_image"] == whole["image_to_text"] == "MultiHeadHierarchicalAttention"
    for name, unit in (("hsn-without-ha", "MultiHeadGeneralAttention"), ("hsn-without-mp", "HierarchicalAttention")):
        assert parts(name)[0] == {**whole, "text_to_image": unit, "image_to_text": unit}
    layers, model = parts("hsn-without-mi")
    assert layers == {**whole, "integration": "Concatenate"}
    assert model.get_layer("potentials").kernel.shape[0] == 2 * hsn.hidden_dim

    adversary = {"both_modalities", "both_masks", "gradient_reversal", "modality_classifier"}
    whole, agban = parts("agban")
    assert adversary <= set(whole)
    assert len(agban.get_layer("attention").weights) == 7
    without = {layer: kind for layer, kind in whole.items() if layer not in adversary}
    for name, weights in (("agban-gban", 7), ("agban-ban", 4)):
        layers, model = parts(name)
        assert layers == without
        assert len(model.get_layer("attention").weights) == weights
    layers, model = parts("agban-concat")
    assert layers == {k: v for k, v in without.items() if k != "attention"} | {"concatenation": "ObjectConcatenation"}
    assert model.get_layer("concatenation").num_objects == OBJECTS


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("hsn", {"attention": "luong"}, "`attention` must be 'multi_head', 'single_head' or 'general'. Received: "),
        ("hsn", {"integration": None}, "`integration` must be 'gate' or 'concatenate'. Received: integration=None"),
        ("hsn", {"pictures": "no"}, "`pictures` must be True or False. Received: pictures='no'"),
        ("hsn", {"gate": "feat"}, "`gate` must be 'token' or 'feature'. Received: gate='feat'"),
        ("hsn", {"num_heads": 0}, "`num_heads` must be at least 1. Received: num_heads=0"),
        ("agban", {"fusion": "sum"}, "`fusion` must be 'attention' or 'concatenate'. Received: fusion='sum'"),
        ("agban", {"gate": "token"}, "`gate` must be True or False. Received: gate='token'"),
        ("agban", {"adversarial": 1}, "`adversarial` must be True or False. Received: adversarial=1"),
        ("agban", {"num_objects": 2.5}, "`num_objects` must be a whole number. Received: num_objects=2.5"),
    ],
)
def test_a_model_names_the_argument_that_it_cannot_take(worlds, kind, arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        worlds[kind].build(**arguments)
