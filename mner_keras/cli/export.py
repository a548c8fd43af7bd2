"""`mner export`."""

import os
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from mner_keras.cli.options import check_target
from mner_keras.cli.terminal import start_keras
from mner_keras.errors import InputError


def export(
    model: Annotated[Path, Argument(help="A model's file or a run's folder.")],
    to: Annotated[Literal["saved-model", "onnx"], Option(help="Form of the model.")],
    out: Annotated[Path, Option(help="File.onnx, or a new folder for a SavedModel.")],
) -> None:
    """Write a model for programs without Keras.

    saved-model: a folder for TensorFlow and TensorFlow Serving, from arrays to tags and their probabilities. onnx: one
    file, with which `mner_keras.runtime` tags posts; it needs NumPy and ONNX Runtime alone.

    Needs Keras on TensorFlow, and for ONNX the extra `onnx`. A pretrained backbone takes minutes to convert.
    """
    if to == "onnx":
        check_target(out, ".onnx")
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the LSTM of a GPU does not convert
    elif out.exists():
        raise InputError("expected a new folder, found it in use", out)
    else:
        check_target(out)
    start_keras()
    from mner_keras.export import export_onnx, export_saved_model
    from mner_keras.models import load_tagger
    from mner_keras.tagger import Tagger

    tagger = load_tagger(model)
    if not isinstance(tagger, Tagger):
        raise InputError(f"expected a Keras model, found a {type(tagger).__name__}", model)
    (export_onnx if to == "onnx" else export_saved_model)(tagger, out)
    print(out)
