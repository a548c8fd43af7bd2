"""`mner export`."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from small_corpus import make_posts

from mner_keras.data.batches import PostBatches
from mner_keras.runtime import OnnxTagger

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="export runs on TensorFlow")


def test_a_run_becomes_one_file(mner, text_run, tmp_path):
    for package in ("onnx", "tf2onnx", "onnxruntime"):
        pytest.importorskip(package)
    out = tmp_path / "model.onnx"
    result = mner("export", text_run, "--to", "onnx", "--out", out)
    assert (result.code, result.out) == (0, f"{out}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert OnnxTagger(out).preprocessor.types == ["LOC", "PER"]


SERVE = """
import json, sys, numpy as np, tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
found = model.serve(dict(np.load(sys.argv[2])))
assert not [name for name in sys.modules if name.startswith("mner_keras")]
print(json.dumps({name: value.numpy().tolist() for name, value in found.items()}))
"""


def test_tensorflow_alone_tags_with_a_saved_model(mner, text_run, load_once, tmp_path):
    out = tmp_path / "saved"
    assert mner("export", text_run, "--to", "saved-model", "--out", out).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]
    mner("export", text_run, "--to", "saved-model", "--out", out).refused(out, "expected a new folder")
    posts, model = make_posts(count=12), load_once(text_run / "model.keras")
    inputs, _ = PostBatches(model.preprocessor, posts).batch(np.arange(len(posts)))
    np.savez(tmp_path / "inputs.npz", **inputs)
    command = [sys.executable, "-c", SERVE, out, tmp_path / "inputs.npz"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    tagged = model.tag(posts)
    assert any(one.entities for one in tagged)
    for post, tags, scores in zip(tagged, found["tags"], found["scores"], strict=True):
        assert tuple(model.preprocessor.tags[tag] for tag in tags[: len(post.tags)]) == post.tags
        for entity in post.entities:
            assert min(scores[entity.start : entity.end]) == pytest.approx(entity.score, abs=1e-5)


def test_bad_arguments_are_refused(mner, text_run, tmp_path):
    out = tmp_path / "model.onnx"
    mner("export", text_run, "--to", "onnx", "--out", tmp_path / "model").refused("expected a file extension (.onnx)")
    mner("export", text_run, "--to", "onnx", "--out", tmp_path / "no" / "model.onnx").refused("found none")
    mner("export", text_run, "--to", "saved-model", "--out", tmp_path / "no" / "model").refused("found none")
    mner("export", tmp_path / "none.keras", "--to", "onnx", "--out", out).refused("expected a .keras model")
    mner("export", text_run, "--to", "torch", "--out", out).misused("'torch' is not one of 'saved-model', 'onnx'")
    assert list(tmp_path.iterdir()) == []
