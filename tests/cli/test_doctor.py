"""`mner doctor`, and the note of a command that leaves a GPU unused."""

import importlib.metadata
import json

import pytest

from mner_keras import replicas
from mner_keras.cli import terminal


@pytest.mark.slow
def test_an_installation_that_works(mner, monkeypatch):
    lines = ["keras>=3.12", "gdown>=5; extra == 'fetch'", 'no-such-package ; extra == "ray"', "pytest; extra == 'test'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    result = mner("doctor", "--json")
    assert result.code == 0, result
    report = json.loads(result.out)
    assert report["extras"]["ray"] == "pip install 'mner-keras[ray]'"
    assert set(report["extras"]) == {"fetch", "ray"}
    assert set(report["data"]) == {"pos-tagger", "vgg16-weights", "mask-rcnn-weights"}
    assert report["model"].startswith("trains, tags, saves and loads")
    assert report["lstm"].startswith(("fused", "not fused"))
    assert report["backend"].split()[0] in ("tensorflow", "jax", "torch")


def test_an_installation_that_does_not_work_ends_with_code_1(mner, monkeypatch, tmp_path, no_tagger_data):
    from mner_keras.cli import doctor

    def fail():
        raise RuntimeError("no kernel image")

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "_try_model", fail)
    monkeypatch.setattr(importlib.metadata, "requires", missing)
    monkeypatch.setenv("MNER_CACHE", str(tmp_path))
    result = mner("doctor")
    assert result.code == 1
    for line in (
        "model     fails: RuntimeError: no kernel image",
        "data      pos-tagger: mner data fetch pos-tagger",
        "extras    unknown: the package runs from a folder and is not installed",
    ):
        assert line in result.out.splitlines()


def test_a_gpu_that_is_not_used_is_noted(mner, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr(replicas, "device_names", lambda: ["cpu:0"])
    monkeypatch.setattr(terminal.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    command = ["reproduce-table", "agban", "2", "--list"]
    assert "GPU" not in mner(*command).err  # does not compute
    assert mner("models", "text").err.count("this machine has a GPU, and Keras computes on the CPU: `mner doctor`") == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "GPU" not in mner("models", "text").err
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(replicas, "device_names", lambda: ["gpu:0"])
    assert "GPU" not in mner("models", "text").err
