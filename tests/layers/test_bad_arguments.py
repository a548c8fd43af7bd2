"""What a public layer cannot take is refused by name: what was expected, what came."""

import re

import keras
import numpy as np
import pytest

from agban_keras.layers import (
    GatedBilinearAttention,
    GradientReversal,
    MaskedNetwork,
    ModalityClassifier,
    ObjectConcatenation,
    VisualProjector,
)
from hsn_keras.layers import (
    HierarchicalAttention,
    MultiHeadGeneralAttention,
    MultiHeadHierarchicalAttention,
    SelfAdaptiveIntegration,
)
from mner_keras.layers import BiLSTM, CharBiLSTM, CharCNN, WordEmbedding

TEXT, OBJECTS = np.ones((2, 4, 6), "float32"), np.ones((2, 3, 6), "float32")
CHARS = {"vocabulary_size": 9}
WORDS = {"vocabulary_size": 9, "dim": 4}


@pytest.mark.parametrize(
    ("layer", "others", "name", "value", "expected"),
    [
        (BiLSTM, {}, "units", 0, "must be at least 2"),
        (BiLSTM, {}, "units", 5, "must be even"),
        (BiLSTM, {}, "units", 4.0, "must be a whole number"),
        (CharBiLSTM, {}, "vocabulary_size", 0, "must be at least 1"),
        (CharBiLSTM, CHARS, "embedding_dim", 0, "must be at least 1"),
        (CharBiLSTM, CHARS, "units", 3, "must be even"),
        (CharBiLSTM, CHARS, "dropout", 1, "must be a number of at least 0 and below 1"),
        (CharBiLSTM, CHARS, "dropout", "0.5", "must be a number of at least 0 and below 1"),
        (CharCNN, {}, "vocabulary_size", -1, "must be at least 1"),
        (CharCNN, CHARS, "embedding_dim", True, "must be a whole number"),
        (CharCNN, CHARS, "filters", 0, "must be at least 1"),
        (CharCNN, CHARS, "kernel_size", 0, "must be at least 1"),
        (CharCNN, CHARS, "dropout", -0.5, "must be a number of at least 0 and below 1"),
        (WordEmbedding, {"dim": 4}, "vocabulary_size", None, "must be a whole number"),
        (WordEmbedding, {"vocabulary_size": 9}, "dim", 0, "must be at least 1"),
        (WordEmbedding, WORDS, "frozen_vocabulary_size", -1, "must be at least 0"),
        (WordEmbedding, WORDS, "unknown", "zero", "must be 'normal' or 'uniform'"),
        (MultiHeadHierarchicalAttention, {}, "num_heads", "8", "must be a whole number"),
        (MultiHeadHierarchicalAttention, {}, "num_heads", 0, "must be at least 1"),
        (MultiHeadHierarchicalAttention, {}, "head_dim", 2.5, "must be a whole number"),
        (MultiHeadHierarchicalAttention, {}, "head_softmax", "yes", "must be True or False"),
        (MultiHeadGeneralAttention, {}, "num_heads", [8], "must be a whole number"),
        (SelfAdaptiveIntegration, {}, "gate", True, "must be 'token' or 'feature'"),
        (GatedBilinearAttention, {}, "rank", 0, "must be at least 1"),
        (GatedBilinearAttention, {}, "rank", None, "must be a whole number"),
        (GatedBilinearAttention, {}, "gate_units", 0, "must be at least 1"),
        (GatedBilinearAttention, {}, "gate", "token", "must be True or False"),
        (GatedBilinearAttention, {}, "softmax", None, "must be 'objects' or 'pairs'"),
        (ObjectConcatenation, {}, "num_objects", 0, "must be at least 1"),
        (GradientReversal, {}, "strength", -1.0, "must be a number of at least 0 or 'schedule'"),
        (GradientReversal, {}, "strength", "linear", "must be a number of at least 0 or 'schedule'"),
        (GradientReversal, {}, "strength", None, "must be a number of at least 0 or 'schedule'"),
        (GradientReversal, {}, "strength", float("nan"), "must be a number of at least 0 or 'schedule'"),
        (VisualProjector, {}, "units", 0, "must be at least 1"),
        (MaskedNetwork, {"hidden": (3,)}, "units", "3", "must be a whole number"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_bad_argument_is_named_with_what_was_expected(layer, others, name, value, expected):
    message = f"`{name}` {expected}. Received: {name}={value!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        layer(**others, **{name: value})


@pytest.mark.parametrize("hidden, expected", [((4, 0), "at least 1. Received: hidden=0"), (("4",), "a whole number.")])
def test_a_bad_inner_width_is_named(hidden, expected):
    for make in (lambda h: ModalityClassifier(h), lambda h: VisualProjector(3, h)):
        with pytest.raises(ValueError, match=f"^`hidden` must be {re.escape(expected)}"):
            make(hidden)


HEADS = {"num_heads": 2}
MASKS = {
    "MultiHeadHierarchicalAttention query": (lambda: MultiHeadHierarchicalAttention(**HEADS), "query_mask", "query", 4),
    "MultiHeadHierarchicalAttention value": (lambda: MultiHeadHierarchicalAttention(**HEADS), "value_mask", "value", 3),
    "MultiHeadGeneralAttention": (lambda: MultiHeadGeneralAttention(**HEADS), "value_mask", "value", 3),
    "HierarchicalAttention": (HierarchicalAttention, "query_mask", "query", 4),
    "GatedBilinearAttention text": (lambda: GatedBilinearAttention(4, 4), "text_mask", "text", 4),
    "GatedBilinearAttention objects": (lambda: GatedBilinearAttention(4, 4), "object_mask", "objects", 3),
    "ObjectConcatenation": (ObjectConcatenation, "object_mask", "objects", 3),
    "BiLSTM": (lambda: BiLSTM(4), "mask", "inputs", 4),
    "ModalityClassifier": (lambda: ModalityClassifier((3,)), "mask", "features", 4),
    "VisualProjector": (lambda: VisualProjector(3, (3,)), "mask", "objects", 4),
    "MaskedNetwork": (lambda: MaskedNetwork((3,), 3), "mask", "inputs", 4),
}


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_of_another_shape_is_refused(name):
    make, argument, masked, length = MASKS[name]
    inputs = [TEXT] if argument == "mask" else [TEXT, OBJECTS]
    layer = make()
    assert layer(*inputs, **{argument: np.ones((2, length), bool)}) is not None
    for shape in ((2, length + 1), (1, length), (2,), (2, length, 1)):
        message = f"`{argument}` must have the first two axes of `{masked}`, (2, {length}). Received: {argument}.shape="
        with pytest.raises(ValueError, match=re.escape(message) + ".*" + re.escape(str(shape))):
            layer(*inputs, **{argument: np.ones(shape, bool)})


def test_a_mask_is_checked_in_a_functional_model_as_far_as_its_shape_is_known():
    text, objects = keras.Input((None, 6)), keras.Input((3, 6))
    layer = GatedBilinearAttention(4, 4)
    assert layer(text, objects, keras.Input((None,), dtype="bool"), keras.Input((3,), dtype="bool")).shape[-1] == 6
    with pytest.raises(ValueError, match=r"`object_mask` must have the first two axes of `objects`, \(None, 3\)"):
        layer(text, objects, object_mask=keras.Input((2,), dtype="bool"))
    with pytest.raises(ValueError, match="`value_mask` must have the first two axes of `value`"):
        MultiHeadHierarchicalAttention(2)(text, objects, value_mask=keras.Input((3, 1), dtype="bool"))
