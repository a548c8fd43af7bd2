"""Two replicas of `tf.distribute` train and evaluate as one device does."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mner_keras

ROOT = Path(mner_keras.__file__).parents[1]
SCRIPT = Path(__file__).parents[1] / "support" / "replica_script.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="replicas are TensorFlow's"),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicas")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)], env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "answers.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("model", ["crf", "text"])
def test_training_on_two_replicas_is_that_of_one_device(answers, model):
    one, two = answers[f"{model} one"], answers[f"{model} two"]
    assert set(two["history"]) == set(one["history"]) == {"loss", "val_loss", "val_f1"}
    for name, values in one["history"].items():
        assert two["history"][name] == pytest.approx(values, rel=1e-4), name
    for weights, others in zip(one["weights"], two["weights"], strict=True):
        assert others == pytest.approx(weights, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("model", ["crf", "text", "agban", "agban-released"])
def test_evaluation_on_two_replicas_is_that_of_one_device(answers, model):
    one, two = answers[f"{model} one"]["evaluate"], answers[f"{model} two"]["evaluate"]
    assert two == pytest.approx(one, rel=1e-4)


def test_agban_trains_on_two_replicas_and_the_parts_of_its_loss_add_up(answers):
    history = answers["agban two"]["history"]
    for prefix in ("", "val_"):
        parts = history[f"{prefix}crf_loss"][0] + history[f"{prefix}adversarial_loss"][0]
        assert history[f"{prefix}loss"][0] == pytest.approx(parts, rel=1e-5)
