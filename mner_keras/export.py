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
from mner_keras.predictor import char_encoder
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
    inputs, potentials = _graph(model)
    tags, scores = CRFDecode(model.crf, model.temperature, name="decode")(potentials, inputs["token_mask"])
    keras.Model(inputs, {"tags": tags, "scores": scores}).export(path, verbose=False)


def export_onnx(model: Tagger, path: str | os.PathLike) -> None:
    """Write one ONNX file: a network from arrays to `potentials`, and in its metadata all that tagging needs.

    The metadata's key `mner_keras` is JSON: the preprocessor, the CRF's scores (`CRF.arrays`), the temperature, and
    the batch size of a model whose results depend on the batch. `mner_keras.runtime.OnnxTagger` tags with the file.

    Raises:
        InputError: Keras runs on another backend than TensorFlow; a package of the extra `onnx` is missing.
    """
    inputs, potentials = _graph(model, distinct=True)
    try:
        import onnx
        import tf2onnx  # noqa: F401 (Keras converts with it)
    except ImportError as error:
        raise InputError(f"ONNX needs {error.name}: pip install 'mner-keras[onnx]'") from None
    graph = keras.Model(inputs, {"potentials": potentials})
    config = model.preprocessor.get_config()
    if config["backbone"] is not None:
        config["backbone"]["fine_tune"] = True  # a part of the network, frozen or not
    about = {
        "preprocessor": config,
        "crf": {name: values.tolist() for name, values in model.crf.arrays().items()},
        "temperature": model.temperature,
        "batch_size": None if model.preprocessor.bucket else training_of(type(model)).batch_size,
    }

    def write(unfinished: Path) -> None:
        with without_kernels():
            graph.export(unfinished, "onnx", verbose=False, input_signature=[inputs], opset_version=OPSET)
        network = onnx.load(unfinished)
        onnx.helper.set_model_props(network, {METADATA: json.dumps(about)})
        onnx.save(network, unfinished)

    write_whole(Path(path), write)


def _graph(model: Tagger, distinct: bool = False) -> tuple[dict, keras.KerasTensor]:
    """Return inputs and potentials of a graph that contains the whole model, its frozen backbone included.

    Args:
        model: the model.
        distinct: whether it reads the characters of each distinct token once: `char_ids` is `[1, U, c]` then, and
            `char_rows` int32 `[B, n]` names each token's row.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"expected Keras on TensorFlow to export, found {keras.backend.backend()}: set KERAS_BACKEND=tensorflow"
        )
    inputs, reads, given = (dict(model.input) for _ in range(3))
    backbone, encoder = model.preprocessor.backbone, char_encoder(model)
    if backbone is not None and not backbone.fine_tune:
        del inputs["contextual"]
        inputs |= backbone.frozen.input
        given["contextual"] = backbone.frozen.output
    if distinct and encoder is not None:
        inputs["char_ids"] = keras.Input(batch_shape=(1, *encoder.input.shape[1:]), dtype="int32", name="char_ids")
        inputs["char_rows"] = keras.Input((None,), dtype="int32", name="char_rows")
        del reads["char_ids"], given["char_ids"]
        reads[encoder.output.name] = encoder.output
        given[encoder.output.name] = keras.ops.take(encoder(inputs["char_ids"])[0], inputs["char_rows"], axis=0)
    return inputs, keras.Model(reads, model.output["potentials"])(given)
