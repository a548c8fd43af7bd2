"""`mner doctor`."""

import importlib.metadata
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from typer import Exit

from mner_keras.cli.options import AsJson
from mner_keras.cli.terminal import has_gpu, print_json, start_keras, uses_gpu

_NOT_CHECKED = ("cuda", "test", "docs", "notebooks")  # the device is; the others are for developers
_GPU = {
    "tensorflow": "pip install 'mner-keras[cuda]'",
    "jax": "pip install 'jax[cuda12]'",
    "torch": "install torch with CUDA (https://pytorch.org/get-started/locally/)",
}


def doctor(as_json: AsJson = False) -> None:
    """Check this installation: backend, device, LSTM, extras, data, and whether a small model trains, tags and loads.

    Exit code 1: the small model failed.
    """
    start_keras()
    import keras

    from mner_keras import __version__
    from mner_keras.files import cache_folder
    from mner_keras.replicas import device_names
    from mner_keras.text.pos import tagger_is_there
    from mner_keras.vision.imports import keras_vgg16_file

    # What commands share; data sets and vectors are in folders of the user's choice.
    data = {
        "pos-tagger": tagger_is_there(),
        "vgg16-weights": keras_vgg16_file(),
        "mask-rcnn-weights": (cache_folder() / "mask_rcnn_coco.h5").is_file(),
    }
    backend = keras.backend.backend()
    report: dict[str, Any] = {
        "version": __version__,
        "keras": keras.__version__,
        "backend": f"{backend} {importlib.metadata.version(backend)}",
        "devices": ", ".join(device_names()),
        "gpu": "in use" if uses_gpu() else f"not in use: {_GPU[backend]} (docs/gpu.md)" if has_gpu() else "none found",
        "lstm": _lstm(backend),
        "extras": _extras(),
        "data": {name: "available" if found else f"mner data fetch {name}" for name, found in data.items()},
    }
    try:
        report |= {"model": f"trains, tags, saves and loads ({_try_model():.0f} s)", "ok": True}
    except Exception as error:  # noqa: BLE001 (whatever is wrong with this installation)
        report |= {"model": f"fails: {type(error).__name__}: {error}", "ok": False}
    if as_json:
        print_json(report)
    for name, value in () if as_json else report.items():
        if name != "ok":
            lines = [f"{key}: {text}" for key, text in value.items()] if isinstance(value, dict) else [value]
            print(f"{name:10}" + ("\n" + " " * 10).join(lines))
    if not report["ok"]:
        raise Exit(1)


def _lstm(backend: str) -> str:
    """Return the kind of LSTM that `BiLSTM` runs in float32, from the compiled program where Keras chooses it."""
    import keras

    from mner_keras.layers import BiLSTM
    from mner_keras.layers.kernels import has_kernel

    if backend != "jax" and has_kernel(backend, "float32"):
        return "fused, torch's own" if backend == "torch" else "fused, this package's kernel for CPUs"
    layer, inputs = BiLSTM(8), keras.ops.ones((2, 5, 3))
    layer(inputs)
    if backend == "tensorflow":
        import tensorflow as tf

        program = str(tf.function(layer).get_concrete_function(inputs).graph.as_graph_def())
    else:
        import jax

        program = jax.jit(lambda x: layer(x)).lower(inputs).as_text()
    return "fused, cuDNN's" if "cudnn" in program.lower() else "not fused: a loop over the steps"


def _extras() -> dict[str, str]:
    """Return what is to be done for each extra of users."""
    try:
        requirements = importlib.metadata.requires("mner-keras") or []
    except importlib.metadata.PackageNotFoundError:
        return {"unknown": "the package runs from a folder and is not installed"}
    extras: dict[str, str] = {}
    for line in requirements:
        found = re.match(r"([\w.-]+).*\bextra == ['\"]([\w-]+)['\"]", line)
        if found and found[2] not in _NOT_CHECKED:
            installed = any(importlib.metadata.distributions(name=found[1]))
            command = f"pip install 'mner-keras[{found[2]}]'"
            extras[found[2]] = extras.get(found[2], "installed") if installed else command
    return extras


def _try_model() -> float:
    """Train a small model on posts of the sample corpus, tag, save and load it; return the seconds."""
    from mner_keras.data.datasets import load_dataset
    from mner_keras.models import load
    from mner_keras.registry import find_model

    started = time.monotonic()
    # Of one length: JAX compiles a program for each.
    posts = [post for post in load_dataset("sample")["train"] if len(post) == 8][:16]
    model_class = find_model("bilstm-crf").load_class()
    model = model_class(model_class.fit_preprocessor(posts), hidden_dim=16)
    model.compile("adam")
    model.fit(posts, epochs=1, batch_size=16, verbose=0)
    tags = [post.tags for post in model.tag(posts)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        if [post.tags for post in load(path).tag(posts)] != tags:
            raise RuntimeError("the loaded model gives other tags")
    return time.monotonic() - started
