"""The layers of the systems compared with: the harness, their equations in NumPy, what they refuse."""

import inspect

import baseline_oracles as oracles
import keras
import numpy as np
import pytest
from layer_harness import check_layer, randomize, to_numpy

import mner_keras.baselines.layers as layers

RNG = np.random.default_rng(0)
TEXT, OTHER = (RNG.normal(size=(2, 4, width)).astype("float32") for width in (6, 5))
REGIONS = RNG.normal(size=(2, 3, 7)).astype("float32")
TEXT_MASK = np.array([[True] * 4, [True, True, False, False]])
REGION_MASK = np.array([[True, False, True], [True, False, False]])
NOTHING = np.zeros((2, 3), bool)
CHAR_IDS = RNG.integers(0, 9, (2, 4, 7)).astype("int32")
SCORES = {"return_attention_scores": True}
GATE = {"return_gate": True}

CASES = {
    "GuidedAttention": dict(
        arguments={"units": 5, "score": "joint"},
        inputs=[TEXT, REGIONS],
        masks={"value_mask": REGION_MASK},
        call_arguments=SCORES,
        expected_shapes=[(2, 4, 7), (2, 4, 3)],
        garbage=[(1, "value_mask", [None, None])],
    ),
    "GatedFusion": dict(
        arguments={"units": 3}, inputs=[TEXT, OTHER], call_arguments=GATE, expected_shapes=[(2, 4, 3), (2, 4, 1)]
    ),
    "FiltrationGate": dict(
        arguments={"units": 3}, inputs=[TEXT, OTHER], call_arguments=GATE, expected_shapes=[(2, 4, 3), (2, 4, 3)]
    ),
    "ModalityAttention": dict(
        arguments={"units": 3},
        inputs=[TEXT, OTHER, REGIONS],
        masks={"region_mask": REGION_MASK},
        call_arguments=SCORES,
        expected_shapes=[(2, 4, 3), (2, 4, 3)],
        garbage=[(2, "region_mask", [None, None])],
    ),
    "LastStates": dict(
        inputs=[TEXT], masks={"mask": TEXT_MASK}, expected_shapes=[(2, 1, 6)], garbage=[(0, "mask", [None])]
    ),
    "VisualModulation": dict(inputs=[TEXT, OTHER[:, :1]], call_arguments=GATE, expected_shapes=[(2, 4, 6), (2, 4, 6)]),
    "DirectionalSelfAttention": dict(
        arguments={"direction": "backward", "scale": 3.0},
        inputs=[TEXT, OTHER],
        masks={"text_mask": TEXT_MASK},
        expected_shapes=[(2, 4, 6)],
        garbage=[(0, "text_mask", ["text_mask"]), (1, "text_mask", ["text_mask"])],
    ),
    "PooledCharCNN": dict(
        arguments={
            "vocabulary_size": 9,
            "embedding_dim": 4,
            "filters": 5,
            "kernel_sizes": (2, 3),
            "hidden_units": 6,
            "units": 3,
            "dropout": 0.5,
        },
        inputs=[CHAR_IDS],
        masks={"mask": TEXT_MASK},
        expected_shapes=[(2, 4, 3)],
    ),
    "SingletonDropout": dict(
        arguments={"vocabulary_size": 9, "num_singletons": 4, "rate": 0.3},
        inputs=[CHAR_IDS[..., 0]],
        expected_shapes=[(2, 4)],
        expected_dtypes=["int32"],
        policies=(),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_layer_behaves_as_keras_users_expect(name, tmp_path):
    case = dict(CASES[name])
    layer, arguments = getattr(layers, name), case.pop("arguments", {})
    for argument, value in arguments.items():
        assert inspect.signature(layer.__init__).parameters[argument].default != value
    check_layer(lambda **more: layer(**arguments, **more), tmp_path=tmp_path, **case)


def test_every_public_layer_is_in_the_list():
    assert set(layers.__all__) == set(CASES)


# --- Equations ---


def built(layer, *inputs):
    layer(*inputs)
    randomize(layer, 0.7)
    return layer


def equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(to_numpy(one), other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mask", [REGION_MASK, NOTHING, ~NOTHING], ids=["some", "none", "all"])
@pytest.mark.parametrize("score", ["concatenate", "sum", "joint"])
def test_guided_attention_equals_its_equation(score, mask):
    layer = built(layers.GuidedAttention(5, score), TEXT, REGIONS)
    found = layer(TEXT, REGIONS, value_mask=mask, return_attention_scores=True)
    equal(found, oracles.guided_attention(layer, TEXT, REGIONS, mask))
    np.testing.assert_allclose(to_numpy(found[1]).sum(-1), mask.any(1)[:, None] * np.ones((2, 4)), rtol=1e-5)
    # As printed, every token looks at the picture alike; only inside the tanh does the query have a say.
    apart = np.abs(np.diff(to_numpy(found[1]), axis=1)).max()
    assert apart > 1e-2 if score == "joint" and mask.sum() > 2 else apart < 1e-6


def test_the_gates_of_the_co_attention_equal_their_equations():
    for make, oracle in ((layers.GatedFusion, oracles.gated_fusion), (layers.FiltrationGate, oracles.filtration_gate)):
        layer = built(make(3), TEXT, OTHER)
        equal(layer(TEXT, OTHER, return_gate=True), oracle(layer, TEXT, OTHER))


@pytest.mark.parametrize("mask", [REGION_MASK, NOTHING, REGION_MASK & [[True], [False]]], ids=["some", "none", "one"])
def test_modality_attention_equals_its_equation(mask):
    inputs = TEXT, OTHER, REGIONS
    layer = built(layers.ModalityAttention(3), *inputs)
    found = layer(*inputs, region_mask=mask, return_attention_scores=True)
    equal(found, oracles.modality_attention(layer, *inputs, mask))
    np.testing.assert_array_equal(to_numpy(found[1])[~mask.any(1), :, 2], 0.0)


def test_visual_modulation_equals_its_equation():
    layer = built(layers.VisualModulation(), TEXT, OTHER[:, :1])
    found = layer(TEXT, OTHER[:, :1], return_gate=True)
    equal(found, oracles.visual_modulation(layer, TEXT, OTHER[:, :1]))


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_directional_self_attention_equals_its_equation(direction):
    layer = built(layers.DirectionalSelfAttention(direction, scale=2.0), TEXT, OTHER)
    for mask in (TEXT_MASK, np.ones((2, 4), bool)):
        expected = oracles.directional_self_attention(layer, TEXT, OTHER, mask)
        found = to_numpy(layer(TEXT, OTHER, text_mask=mask))
        np.testing.assert_allclose(found[mask], expected[mask], rtol=1e-4, atol=1e-5)
    # A token sees one side only.
    changed = TEXT.copy()
    changed[:, 2] += 1
    moved = np.abs(to_numpy(layer(changed, OTHER)) - to_numpy(layer(TEXT, OTHER))).max(axis=(0, 2)) > 1e-6
    assert list(moved) == ([False, False, True, True] if direction == "forward" else [True, True, True, False])


@pytest.mark.parametrize("length", [7, 8, 1])
def test_pooled_char_cnn_equals_numpy(length):
    ids = np.random.default_rng(length).integers(0, 9, (2, 4, length)).astype("int32")
    layer = layers.PooledCharCNN(9, 4, 5, hidden_units=6, units=3)
    layer(ids)
    randomize(layer, 0.7)
    layer.norm.moving_variance.assign(np.abs(to_numpy(layer.norm.moving_variance.value)) + 0.1)
    np.testing.assert_allclose(to_numpy(layer(ids)), oracles.pooled_char_cnn(layer, ids), rtol=1e-4, atol=1e-4)


def test_pooled_char_cnn_takes_its_statistics_from_valid_tokens():
    other = np.where(TEXT_MASK[..., None], CHAR_IDS, 8 - CHAR_IDS).astype("int32")
    found = []
    for ids in (CHAR_IDS, other):
        keras.utils.set_random_seed(0)
        layer = layers.PooledCharCNN(9, 4, 5, dropout=0.0)
        output = to_numpy(layer(ids, mask=TEXT_MASK, training=True))[TEXT_MASK]
        found.append((output, to_numpy(layer.norm.moving_mean.value)))
    assert np.abs(found[0][1]).max() > 0
    equal(found[0], found[1])


def test_last_states_are_where_each_direction_ends():
    found = to_numpy(layers.LastStates()(TEXT, mask=np.array([[True] * 3 + [False], [False] * 4])))
    np.testing.assert_array_equal(found[0, 0], np.concatenate([TEXT[0, 2, :3], TEXT[0, 0, 3:]]))
    np.testing.assert_array_equal(found[1], 0.0)


def test_singletons_become_unknown_in_training_about_half_of_the_time():
    # Rows 6 to 8 occur once; 9 and beyond are rows of the frozen table.
    ids = np.tile(np.arange(12, dtype="int32"), (200, 1))
    layer = layers.SingletonDropout(9, 3, 0.5)
    np.testing.assert_array_equal(to_numpy(layer(ids)), ids)
    found = to_numpy(layer(ids, training=True))
    assert found.dtype == np.int32
    kept = found == ids
    assert kept[:, [*range(6), 9, 10, 11]].all()
    assert (found[~kept] == 1).all()
    assert 0.42 < kept[:, 6:9].mean() < 0.58


def test_more_singletons_than_words_and_a_scale_of_zero_are_refused():
    """The harness tries the other arguments and the masks."""
    with pytest.raises(ValueError, match="^`num_singletons` must be at most `vocabulary_size`, 9. Received: .*=10$"):
        layers.SingletonDropout(9, 10)
    with pytest.raises(ValueError, match="^`scale` must be above 0. Received: scale=0.0$"):
        layers.DirectionalSelfAttention(scale=0.0)
