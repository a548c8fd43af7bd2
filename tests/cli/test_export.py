"""`mner export`."""

import keras
import pytest

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


def test_a_run_becomes_a_saved_model_in_a_new_folder(mner, text_run, tmp_path):
    out = tmp_path / "saved"
    assert mner("export", text_run, "--to", "saved-model", "--out", out).code == 0
    assert (out / "saved_model.pb").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]
    mner("export", text_run, "--to", "saved-model", "--out", out).refused(out, "expected a new folder")


def test_bad_arguments_are_refused(mner, text_run, tmp_path):
    out = tmp_path / "model.onnx"
    mner("export", text_run, "--to", "onnx", "--out", tmp_path / "model").refused("expected a file extension (.onnx)")
    mner("export", text_run, "--to", "onnx", "--out", tmp_path / "no" / "model.onnx").refused("found none")
    mner("export", text_run, "--to", "saved-model", "--out", tmp_path / "no" / "model").refused("found none")
    mner("export", tmp_path / "none.keras", "--to", "onnx", "--out", out).refused("expected a .keras model")
    mner("export", text_run, "--to", "torch", "--out", out).misused("'torch' is not one of 'saved-model', 'onnx'")
    assert list(tmp_path.iterdir()) == []
