"""What is no model of ours is refused."""

import json
import shutil
import zipfile

import pytest


def rewrite(source, target, change):
    """A copy of a model with another config.json."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                content = json.dumps(change(json.loads(content))).encode()
            new.writestr(name, content)
    return target


def missing(model, path):
    return "expected a "


def folder(model, path):
    path.mkdir()
    return "expected a run with a model.keras or a model.crf, found none"


def no_model(model, path):
    path.write_text("not a model\n", encoding="utf-8")
    return "expected a .keras model, found another kind of file or a truncated one"


def truncated(model, path):
    content = model.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    return "expected a .keras model, found another kind of file or a truncated one"


def damaged(model, path):
    content = bytearray(model.read_bytes())
    with zipfile.ZipFile(model) as archive:
        info = archive.getinfo("model.weights.h5")
    for i in range(info.header_offset + 3000, info.header_offset + 3100):
        content[i] ^= 0xFF
    path.write_bytes(content)
    return "expected a .keras model, found a damaged one"


def other_archive(model, path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter.txt", "dear")
    return "expected a .keras model, found an archive without a model in it"


def configuration_of_another_kind(model, path):
    rewrite(model, path, lambda config: [])
    return "expected a "


def of_another_version(model, path):
    rewrite(model, path, lambda config: {**config, "config": {**config["config"], "format": 1}})
    return "expected a model of file format 2, found 1: made by mner-keras 0.1. `mner train RUN/config.toml` trains it"


def with_an_unknown_argument(model, path):
    rewrite(model, path, lambda config: {**config, "config": {**config["config"], "colour": "blue"}})
    return "expected an unquantized model of this version, found one that does not load ("


def of_another_size(model, path):
    rewrite(model, path, lambda config: {**config, "config": {**config["config"], "hidden_dim": 18}})
    return "expected an unquantized model of this version, found one that does not load ("


def of_another_package(model, path):
    rewrite(model, path, lambda config: {**config, "registered_name": "other>Model"})
    return "expected a model of this package, found 'other>Model'"


def of_keras(model, path):
    import keras

    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)
    return "expected a model of this package, found "


def with_a_crf_alone(model, path):
    import keras

    from mner_keras import CRF, CRFModel

    ids = keras.Input((None,), dtype="int32")
    CRFModel(ids, {"potentials": CRF(3)(keras.layers.Embedding(9, 3)(ids))}).save(path)
    return "expected a "


def without_a_preprocessor(model, path):
    rewrite(model, path, lambda config: {**config, "config": {**config["config"], "preprocessor": None}})
    return "expected an unquantized model of this version, found one that does not load ("


@pytest.mark.parametrize(
    "make",
    [
        missing,
        folder,
        no_model,
        truncated,
        damaged,
        other_archive,
        configuration_of_another_kind,
        of_another_version,
        with_an_unknown_argument,
        of_another_size,
        of_another_package,
        of_keras,
        with_a_crf_alone,
        without_a_preprocessor,
    ],
    ids=lambda make: make.__name__,
)
def test_what_is_no_model_of_ours_is_refused(mner, text_run, tmp_path, corpus, make):
    path = tmp_path / "model.keras"
    message = make(text_run / "model.keras", path)
    result = mner("tag", path, corpus / "test.jsonl")
    result.refused(str(path), message)
    assert result.out == ""


def test_a_model_file_may_have_any_name(mner, text_run, tmp_path, corpus):
    path = shutil.copy(text_run / "model.keras", tmp_path / "my model.keras")
    assert mner("tag", path, corpus / "test.jsonl").code == 0
