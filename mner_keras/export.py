"""Export a `Tagger`: as a SavedModel that gives tags, or as ONNX for `mner_keras.runtime`."""

import json
import os
import shutil
from pathlib import Path

import keras

from mner_keras.errors import InputError
from mner_keras.files import write_whole
from mner_keras.layers import CRFDecode, kernels
from mner_keras.predictor import char_encoder
from mner_keras.registry import training_of
from mner_keras.runtime import METADATA
from mner_keras.tagger import Tagger

OPSET = 17  # the version of ONNX's operators, of 2022


def export_saved_model(model: Tagger, path: str | os.PathLike) -> None:
    """Write a SavedModel, a folder, for TensorFlow and TensorFlow Serving.

    Its function `serve` takes the dict of arrays that `PostPreprocessor` describes, and returns `tags` int32 `[B, n]`
    and `scores` float32 `[B, n]`, the probability of each tag.

    Raises:
        InputError: Keras runs on another backend than TensorFlow.
    """
    inputs, potentials = _graph(model)
    tags, scores = CRFDecode(model.crf, model.temperature, name="decode")(potentials, inputs["token_mask"])
    graph, path = keras.Model(inputs, {"tags": tags, "scores": scores}), Path(path)
    unfinished = path.with_name(f".unfinished-{path.name}")
    try:
        graph.export(unfinished, verbose=False)
        os.replace(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def export_onnx(model: Tagger, path: str | os.PathLike) -> None:
    """Write one ONNX file: a network from arrays to `potentials`, and in its metadata all else that tagging needs.

    The arrays are those that `PostPreprocessor` describes, but of each distinct token the network reads the characters
    once: `char_ids` is int32 `[1, U, c]`, and `char_rows` int32 `[B, n]` contains each token's row of them. A frozen
    backbone is part of the network. The metadata `mner_keras` is JSON: the preprocessor, the CRF's scores
    (`CRF.arrays`), the temperature, and the batch size of a model whose results depend on the batch.

    Raises:
        InputError: Keras runs on another backend than TensorFlow; a package of the extra `onnx` is missing.
    """
    inputs, potentials = _graph(model, distinct=True)
    try:
        import onnx
        import tf2onnx  # noqa: F401 (Keras converts with it)
    except ImportError as error:
        raise InputError(f"ONNX needs {error.name}: pip install 'mner-keras[onnx]'") from None
    preprocessor = model.preprocessor.get_config()
    if preprocessor["backbone"] is not None:
        preprocessor["backbone"]["fine_tune"] = True  # so that batches contain its subwords
    about = {
        "preprocessor": preprocessor,
        "crf": {name: values.tolist() for name, values in model.crf.arrays().items()},
        "temperature": model.temperature,
        "batch_size": None if model.preprocessor.bucket else training_of(type(model)).batch_size,
    }
    graph = keras.Model(inputs, {"potentials": potentials})

    def write(unfinished: Path) -> None:
        kernels.in_use = False
        try:
            graph.export(unfinished, "onnx", verbose=False, input_signature=[inputs], opset_version=OPSET)
        finally:
            kernels.in_use = True
        network = onnx.load(unfinished)
        onnx.helper.set_model_props(network, {METADATA: json.dumps(about)})
        onnx.save(network, unfinished)

    write_whole(Path(path), write)


def _graph(model: Tagger, distinct: bool = False) -> tuple[dict, keras.KerasTensor]:
    """Return inputs and potentials of the whole model, its frozen backbone included; `distinct` as in `export_onnx`."""
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"expected KERAS_BACKEND=tensorflow to export a model, found {keras.backend.backend()}")
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
