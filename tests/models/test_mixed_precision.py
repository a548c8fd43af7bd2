"""Every model trains in half precision, and its CRF stays in float32."""

import keras
import numpy as np
import pytest
from layer_harness import to_numpy
from tiny import KINDS, VARIANTS, make_world

# float16, the narrower one, for every variant; the models as printed in both.
CASES = [(name, "mixed_float16") for name in VARIANTS] + [(name, "mixed_bfloat16") for name in KINDS]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    return {kind: make_world(kind, tmp_path_factory.mktemp(kind)) for kind in set(VARIANTS.values())}


@pytest.fixture
def precision(policy):
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    yield policy.removeprefix("mixed_")
    keras.config.set_dtype_policy(previous)


def dtype_of(value):
    return keras.backend.standardize_dtype(value.dtype)


@pytest.mark.parametrize(("name", "policy"), CASES)
def test_ten_steps_in_half_precision_stay_finite_and_the_crf_in_float32(worlds, name, policy, precision):
    world = worlds[VARIANTS[name]]
    # Short posts: an eager step costs by the token.
    rows = [row for row, post in enumerate(world.posts) if len(post) <= 2][:4]
    inputs, tags = world.batch(rows)
    model = world.build(name, loss_reduction="mean")
    half = [layer.name for layer in model.layers if layer.weights and layer.compute_dtype == precision]
    assert {"potentials", "bilstm", "word_embedding"} <= set(half)
    assert model.crf.compute_dtype == "float32"
    assert {dtype_of(weight) for weight in model.weights} == {"float32"}

    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    assert ("LossScale" in type(model.optimizer).__name__) == (precision == "float16")
    before = to_numpy(model.crf.transitions.value)
    losses = [model.train_on_batch(inputs, tags, return_dict=True)["loss"] for _ in range(10)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert (to_numpy(model.crf.transitions.value) != before).any()

    outputs = model(inputs)
    assert dtype_of(outputs["potentials"]) == "float32"
    likelihoods = model.crf.log_likelihood(outputs["potentials"], tags, outputs["mask"])
    assert dtype_of(likelihoods) == "float32"
    assert np.isfinite(to_numpy(likelihoods)).all()
    assert (to_numpy(likelihoods) <= 1e-5).all()
