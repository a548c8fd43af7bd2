"""Export a `Tagger`: as a SavedModel that gives tags, or as ONNX for `mner_keras.runtime`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import keras

from mner_keras.errors import InputError
from mner_keras.files import write_whole
from mner_keras.layers import CRFDecode
from mner_keras.layers.kernels import without_kernels
from mner_keras.registry import training_of
from mner_keras.runtime import METADATA
from mner_keras.tagger import Tagger

OPSET = 17
"""The ONNX operators' version, of 2022."""


def export_saved_model(model: Tagger, path: str | os.PathLike) -> None:
    """Write a SavedModel, a folder, for TensorFlow Serving or plain TensorFlow.

    Its function `serve` takes the dict of arrays that `PostPreprocessor` describes, and returns `tags` int32 `[B, n]`
    and `scores` float32 `[B, n]`, the probability of each tag.

    Raises:
        InputError: Keras runs on another backend than TensorFlow.
    """
    inputs, outputs = _graph(model)
    decode = CRFDecode(model.crf, model.temperature, name="decode")
    tags, scores = decode(outputs["potentials"], outputs["mask"])
    keras.Model(inputs, {"tags": tags, "scores": scores}).export(path, verbose=False)


def export_onnx(model: Tagger, path: str | os.PathLike) -> None:
    """Write one ONNX file: a network from arrays to `potentials`, and in its metadata all that tagging needs.

    The metadata's key `mner_keras` is JSON: the preprocessor, the CRF's scores (`CRF.arrays`), the temperature, and
    the batch size of a model whose results depend on the batch. `mner_keras.runtime.OnnxTagger` tags with the file.

    Raises:
        InputError: Keras runs on another backend than TensorFlow; a package of the extra `onnx` is missing.
    """
    inputs, outputs = _graph(model)
    try:
        import onnx
        import tf2onnx
    except ImportError as error:
        raise InputError(f"ONNX needs {error.name}: pip install 'mner-keras[onnx]'") from None
    graph = keras.Model(inputs, {"potentials": outputs["potentials"]})
    with without_kernels():
        proto, _ = tf2onnx.convert.from_keras(graph, opset=OPSET)
    config = model.preprocessor.get_config()
    if config["backbone"] is not None:
        config["backbone"]["fine_tune"] = True  # a part of the network, frozen or not
    about = {
        "preprocessor": config,
        "crf": {name: values.tolist() for name, values in model.crf.arrays().items()},
        "temperature": model.temperature,
        "batch_size": None if model.preprocessor.bucket else training_of(type(model)).batch_size,
    }
    onnx.helper.set_model_props(proto, {METADATA: json.dumps(about)})
    write_whole(Path(path), lambda unfinished: unfinished.write_bytes(proto.SerializeToString()))


def _graph(model: Tagger) -> tuple[dict, dict]:
    """Return the inputs and outputs of a model, a frozen backbone included."""
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"expected Keras on TensorFlow to export, found {keras.backend.backend()}: set KERAS_BACKEND=tensorflow"
        )
    inputs, backbone = dict(model.input), model.preprocessor.backbone
    if backbone is None or backbone.fine_tune:
        return inputs, model.output
    del inputs["contextual"]
    return {**inputs, **backbone.frozen.input}, model({**inputs, "contextual": backbone.frozen.output})
