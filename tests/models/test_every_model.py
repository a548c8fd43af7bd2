"""The harness, over every model of the registry that needs no further package."""

import pytest
from model_harness import check_model
from small_corpus import make_world

from mner_keras.registry import MODELS

NAMES = [name for name, entry in MODELS.items() if entry.is_keras and not entry.extra]
HALVES = {"policies": ("mixed_float16", "mixed_bfloat16")}
SPECIAL = {
    "hsn": HALVES,
    # The regions of the blank picture are all alike: no attention can tell them apart.
    "hsn-without-vf": {"still": ["text_to_image/value_kernel", "text_to_image/query_kernel"]},
    "agban": {"arguments": {"reversal": 0.5, "classifier_every": 1}, **HALVES},
    "agban-concat": {"ordered": True},
    "agban-released": {
        "arguments": {"reversal": 0.5, "classifier_rests_every": 0},
        "padding_counts": True,
        "still": ["attention/bias"],
    },
}


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", NAMES)
def test_model_behaves_as_users_expect(name, corpus, tmp_path):
    # An ablation is the whole model with other arguments, in half precision and in a file as well.
    brief = {"policies": (), "file": False} if MODELS[name].arguments else {}
    check_model(make_world(name, corpus), tmp_path, **brief, **SPECIAL.get(name, {}))
