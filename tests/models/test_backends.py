"""On every backend the same file and batch give the same numbers, and a second `fit` begins anew."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import backend_script
import keras
import numpy as np
import pytest
from eager import run_eagerly
from small_corpus import make_world, write_corpus

import mner_keras

ROOT = Path(mner_keras.__file__).parents[1]
SCRIPT = Path(__file__).parents[1] / "support" / "backend_script.py"
KINDS = ("hsn", "agban")  # `text` is HSN without its pictures

pytestmark = pytest.mark.slow


def run_script(folder, backend):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Model files and batches, and what the present backend makes of them."""
    folder = tmp_path_factory.mktemp("files")
    corpus = write_corpus(folder / "corpus")
    for kind in KINDS:
        world = make_world(kind, corpus)
        arguments = {"classifier_every": 1, "reversal": 0.5} if kind == "agban" else {}
        model = world.build(loss_reduction="mean", **arguments)
        # A plain step: its result is the gradient's. Adam would hide a gradient that is wrong by a factor.
        model.compile(keras.optimizers.SGD(0.1))
        inputs, tags = world.batch(range(3, 9))
        model.save(folder / f"{kind}.keras")
        np.savez(folder / f"{kind}.npz", tags=tags, **inputs)
    with run_eagerly():
        backend_script.main(folder)
    return folder


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_potentials_losses_tags_and_a_training_step_agree(folder, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    if backend == keras.backend.backend():
        pytest.skip(f"{backend} is the backend that the others are compared with")
    run_script(folder, backend)
    for kind in KINDS:
        with (
            np.load(folder / f"{kind}.{keras.backend.backend()}.npz") as expected,
            np.load(folder / f"{kind}.{backend}.npz") as found,
        ):
            assert set(found.files) == set(expected.files)
            np.testing.assert_array_equal(found["tags"], expected["tags"])
            for name in expected.files:
                np.testing.assert_allclose(found[name], expected[name], atol=1e-4, rtol=1e-4, err_msg=f"{kind} {name}")
