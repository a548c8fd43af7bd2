"""What a layer's arguments and masks may be; the harness checks that each layer asks for it."""

import re

import keras
import pytest

from agban_keras.layers import GatedBilinearAttention, GradientReversal, ModalityClassifier, VisualProjector
from hsn_keras.layers import MultiHeadHierarchicalAttention
from mner_keras.layers import BiLSTM, CharBiLSTM, WordEmbedding
from mner_keras.layers.checks import check_choice, check_count, check_rate, check_strength

NUMBER = "must be a number of at least 0"


@pytest.mark.parametrize(
    ("check", "arguments", "value", "expected"),
    [
        *((check_count, (), value, "must be a whole number") for value in (True, None, "8", 2.5, [8])),
        *((check_count, (), value, "must be at least 1") for value in (0, -1)),
        (check_count, (2,), 1, "must be at least 2"),
        *((check_rate, (), value, f"{NUMBER} and below 1") for value in (True, "0.5", None, 1, -0.5, float("nan"))),
        *((check_strength, (("schedule",),), v, f"{NUMBER} or 'schedule'") for v in (True, None, -1.0, float("nan"))),
        (check_strength, (), "schedule", NUMBER),
        (check_choice, (("a", "b", "c"),), "d", "must be 'a', 'b' or 'c'"),
        *((check_choice, ((True, False),), value, "must be True or False") for value in (1, 0, "yes", None)),
    ],
)
def test_a_bad_value_is_named_with_what_was_expected(check, arguments, value, expected):
    with pytest.raises(ValueError, match=f"^{re.escape(f'`name` {expected}. Received: name={value!r}')}$"):
        check("name", value, *arguments)


def test_what_only_some_layers_ask_for():
    for make in (lambda: BiLSTM(5), lambda: CharBiLSTM(9, units=5)):
        with pytest.raises(ValueError, match=r"^`units` must be even\. Received: units=5$"):
            make()
    with pytest.raises(ValueError, match="^`frozen_vocabulary_size` must be at least 0"):
        WordEmbedding(9, 4, frozen_vocabulary_size=-1)
    with pytest.raises(ValueError, match="^`strength` must be a number of at least 0 or 'schedule'"):
        GradientReversal("linear")
    for hidden, expected in (((4, 0), "at least 1. Received: hidden=0"), (("4",), "a whole number.")):
        for make in (lambda h: ModalityClassifier(h), lambda h: VisualProjector(3, h)):
            with pytest.raises(ValueError, match=f"^`hidden` must be {re.escape(expected)}"):
                make(hidden)


def test_a_mask_is_checked_in_a_functional_model_as_far_as_its_shape_is_known():
    text, objects = keras.Input((None, 6)), keras.Input((3, 6))
    layer = GatedBilinearAttention(4, 4)
    assert layer(text, objects, keras.Input((None,), dtype="bool"), keras.Input((3,), dtype="bool")).shape[-1] == 6
    with pytest.raises(ValueError, match=r"`object_mask` must have the first two axes of `objects`, \(None, 3\)"):
        layer(text, objects, object_mask=keras.Input((2,), dtype="bool"))
    with pytest.raises(ValueError, match="`value_mask` must have the first two axes of `value`"):
        MultiHeadHierarchicalAttention(2)(text, objects, value_mask=keras.Input((3, 1), dtype="bool"))
