"""The harness, over every public layer."""

import inspect

import keras
import numpy as np
import pytest
from layer_harness import check_layer, randomize, to_numpy

import agban_keras.layers
import hsn_keras.layers
import mner_keras.layers

TEXT = np.random.default_rng(0).normal(size=(2, 4, 6)).astype("float32")
OBJECTS = np.random.default_rng(1).normal(size=(2, 3, 6)).astype("float32")
TEXT_MASK = np.array([[True] * 4, [True, True, False, False]])
OBJECT_MASK = np.array([[True, True, False], [True, False, False]])
WORD_IDS = np.array([[2, 3, 11, 1], [4, 12, 0, 0]], "int32")
CHAR_IDS = np.array([[[2, 3, 4, 5, 6], [7, 0, 0, 0, 0], [2, 2, 0, 0, 0]], [[3, 4, 5, 0, 0], [1, 0, 0, 0, 0], [0] * 5]])
CHAR_IDS = CHAR_IDS.astype("int32")
HEADS = {"num_heads": 2, "head_dim": 4, "head_softmax": False}
REWEIGHTING = dict(
    inputs=[TEXT, OBJECTS],
    masks={"query_mask": TEXT_MASK, "value_mask": OBJECT_MASK},
    call_arguments={"return_attention_scores": True},
    expected_shapes=[(2, 3, 6), (2, 3)],
    garbage=[(0, "query_mask", [None, None]), (1, "value_mask", ["value_mask", None])],
)

CASES = {
    "CRF": dict(
        refuses=False,
        layer=mner_keras.layers.CRF,
        arguments={"num_tags": 6},
        inputs=[TEXT],
        masks={"mask": TEXT_MASK},
        expected_shapes=[(2, 4, 6)],
        policies=(),
        garbage=[(0, "mask", ["mask"])],
    ),
    "BiLSTM": dict(
        layer=mner_keras.layers.BiLSTM,
        arguments={"units": 4},
        inputs=[TEXT],
        masks={"mask": TEXT_MASK},
        expected_shapes=[(2, 4, 4)],
        garbage=[(0, "mask", ["mask"])],
    ),
    "CharBiLSTM": dict(
        layer=mner_keras.layers.CharBiLSTM,
        arguments={"vocabulary_size": 9, "embedding_dim": 4, "units": 6, "dropout": 0.1},
        inputs=[CHAR_IDS],
        expected_shapes=[(2, 3, 6)],
    ),
    "CharCNN": dict(
        layer=mner_keras.layers.CharCNN,
        arguments={"vocabulary_size": 9, "embedding_dim": 4, "filters": 7, "kernel_size": 2, "dropout": 0.1},
        inputs=[CHAR_IDS],
        expected_shapes=[(2, 3, 7)],
    ),
    "FirstSubwords": dict(
        refuses=False,
        layer=mner_keras.layers.FirstSubwords,
        inputs=[TEXT, np.array([[1, 3, 0], [1, 0, 0]], "int32")],
        expected_shapes=[(2, 3, 6)],
    ),
    "Highway": dict(layer=mner_keras.layers.Highway, inputs=[TEXT], expected_shapes=[(2, 4, 6)]),
    "WordEmbedding": dict(
        layer=mner_keras.layers.WordEmbedding,
        arguments={"vocabulary_size": 10, "dim": 5, "frozen_vocabulary_size": 3, "unknown": "uniform"},
        inputs=[WORD_IDS],
        expected_shapes=[(2, 4, 5)],
    ),
    "MultiHeadHierarchicalAttention": dict(
        layer=hsn_keras.layers.MultiHeadHierarchicalAttention, arguments=HEADS, **REWEIGHTING
    ),
    "HierarchicalAttention": dict(layer=hsn_keras.layers.HierarchicalAttention, **REWEIGHTING),
    "MultiHeadGeneralAttention": dict(layer=hsn_keras.layers.MultiHeadGeneralAttention, arguments=HEADS, **REWEIGHTING),
    "SelfAdaptiveIntegration": dict(
        layer=hsn_keras.layers.SelfAdaptiveIntegration,
        arguments={"gate": "feature"},
        inputs=[TEXT, TEXT[::-1].copy()],
        call_arguments={"return_gate": True},
        expected_shapes=[(2, 4, 6), (2, 4, 6)],
    ),
    "GatedBilinearAttention": dict(
        layer=agban_keras.layers.GatedBilinearAttention,
        arguments={"rank": 5, "gate_units": 4, "gate": True, "softmax": "objects"},
        inputs=[TEXT, OBJECTS],
        masks={"text_mask": TEXT_MASK, "object_mask": OBJECT_MASK},
        call_arguments={"return_attention_scores": True},
        expected_shapes=[(2, 4, 6), (2, 4, 3)],
        garbage=[(0, "text_mask", ["text_mask", None]), (1, "object_mask", [None, None])],
    ),
    "ObjectConcatenation": dict(
        layer=agban_keras.layers.ObjectConcatenation,
        arguments={"num_objects": 4},
        inputs=[TEXT, OBJECTS],
        masks={"object_mask": OBJECT_MASK},
        expected_shapes=[(2, 4, 6)],
        garbage=[(1, "object_mask", [None])],
    ),
    "GradientReversal": dict(
        layer=agban_keras.layers.GradientReversal,
        arguments={"strength": "schedule"},
        inputs=[TEXT],
        expected_shapes=[(2, 4, 6)],
    ),
    "VisualProjector": dict(
        layer=agban_keras.layers.VisualProjector,
        arguments={"units": 4, "hidden": (7, 5)},
        inputs=[OBJECTS],
        masks={"mask": OBJECT_MASK},
        call_arguments={"training": True},
        expected_shapes=[(2, 3, 4)],
        garbage=[(0, "mask", ["mask"])],
    ),
    "ModalityClassifier": dict(
        layer=agban_keras.layers.ModalityClassifier,
        arguments={"hidden": (7, 5)},
        inputs=[TEXT],
        masks={"mask": TEXT_MASK},
        call_arguments={"training": True},
        expected_shapes=[(2, 4, 2)],
        garbage=[(0, "mask", ["mask"])],
    ),
    "MaskedNetwork": dict(
        layer=agban_keras.layers.MaskedNetwork,
        arguments={"hidden": (7,), "units": 3},
        inputs=[OBJECTS],
        masks={"mask": OBJECT_MASK},
        expected_shapes=[(2, 3, 3)],
        garbage=[(0, "mask", ["mask"])],
    ),
    "WeightNormDense": dict(
        refuses=False,
        layer=agban_keras.layers.WeightNormDense,
        arguments={"units": 4, "activation": "relu", "dropout": 0.3},
        inputs=[TEXT],
        expected_shapes=[(2, 4, 4)],
    ),
    "ReleasedAttention": dict(
        refuses=False,
        layer=agban_keras.layers.ReleasedAttention,
        arguments={"rank": 5, "glimpses": 2, "dropout": 0.1, "attention_dropout": 0.3},
        inputs=[TEXT, OBJECTS],
        masks={"object_mask": OBJECT_MASK},
        call_arguments={"return_attention_scores": True},
        expected_shapes=[(2, 4, 6), (2, 2, 3, 4)],
        garbage=[(1, "object_mask", [None, None])],
    ),
    "ReleasedCRF": dict(
        refuses=False,
        layer=agban_keras.layers.ReleasedCRF,
        arguments={"num_tags": 6, "labels": (2, 3, 1)},
        inputs=[TEXT],
        masks={"mask": TEXT_MASK},
        expected_shapes=[(2, 4, 6)],
        policies=(),
        garbage=[(0, "mask", ["mask"])],
    ),
    "ReleasedModalityClassifier": dict(
        refuses=False,
        layer=agban_keras.layers.ReleasedModalityClassifier,
        arguments={"hidden": (7, 5)},
        inputs=[np.concatenate([TEXT, OBJECTS], axis=1)],
        masks={"text_mask": TEXT_MASK, "object_mask": OBJECT_MASK},
        call_arguments={"training": True},
        expected_shapes=[(2, 7, 2)],
    ),
    "ReleasedNetwork": dict(
        layer=agban_keras.layers.ReleasedNetwork,
        arguments={"hidden": (7,), "units": 3},
        inputs=[OBJECTS],
        masks={"mask": OBJECT_MASK},
        expected_shapes=[(2, 3, 3)],
        garbage=[(0, "mask", ["mask"])],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_layer_behaves_as_keras_users_expect(name, tmp_path):
    case = dict(CASES[name])
    layer, arguments = case.pop("layer"), case.pop("arguments", {})
    # An argument that the round trip of the configuration loses shows only if it is not at its default.
    for argument, value in arguments.items():
        assert argument == "gate" or inspect.signature(layer.__init__).parameters[argument].default != value
    check_layer(lambda **more: layer(**arguments, **more), tmp_path=tmp_path, **case)


def test_every_public_layer_is_in_the_list():
    public = {
        name
        for package in (mner_keras.layers, hsn_keras.layers, agban_keras.layers)
        for name in package.__all__
        if inspect.isclass(getattr(package, name)) and issubclass(getattr(package, name), keras.layers.Layer)
    }
    # A decoder has no weights but its CRF's: `test_tags_in_a_graph_of_ones_own`.
    assert public == set(CASES) | {"CRFDecode"}


def test_a_token_has_its_first_subwords_vector_or_none():
    found = to_numpy(mner_keras.layers.FirstSubwords()(TEXT, np.array([[1, 3, 0], [2, 0, 0]], "int32")))
    np.testing.assert_array_equal(found[0], [TEXT[0, 1], TEXT[0, 3], np.zeros(6)])
    np.testing.assert_array_equal(found[1], [TEXT[1, 2], np.zeros(6), np.zeros(6)])


def test_tags_in_a_graph_of_ones_own(tmp_path):
    inputs, mask = keras.Input((None, 6)), keras.Input((None,), dtype="bool")
    crf = mner_keras.layers.CRF(5)
    potentials = crf(keras.layers.Dense(5)(inputs), mask=mask)
    model = keras.Model([inputs, mask], [potentials, *mner_keras.layers.CRFDecode(crf)(potentials, mask)])
    assert [output.dtype for output in model.outputs] == ["float32", "int32", "float32"]
    randomize(crf)
    model.save(tmp_path / "model.keras")
    for one in (model, keras.saving.load_model(tmp_path / "model.keras")):
        scores, tags, probabilities = (to_numpy(output) for output in one([TEXT, TEXT_MASK]))
        np.testing.assert_array_equal(tags, to_numpy(crf.decode(scores, TEXT_MASK)[0]))
        marginals = to_numpy(crf.marginals(scores, TEXT_MASK))
        expected = np.take_along_axis(marginals, tags[..., None], -1)[..., 0]
        np.testing.assert_allclose(probabilities, expected, rtol=1e-5, atol=1e-6)


def test_a_highway_begins_by_carrying_its_input_through():
    layer = mner_keras.layers.Highway()
    layer(TEXT)
    np.testing.assert_array_equal(to_numpy(layer.gate.bias), -1.0)
