"""What is no model of ours is refused."""

import json
import shutil
import zipfile

import pytest

pytestmark = pytest.mark.usefixtures("eagerly")
FOUND = "expected a .keras model, found "
DOES_NOT_LOAD = "expected an unquantized model of this version, found one that does not load ("


def missing(model, path):
    return "expected a "


def folder(model, path):
    path.mkdir()
    return "expected a run with a model.keras or a model.crf, found none"


def no_model(model, path):
    path.write_text("not a model\n", encoding="utf-8")
    return f"{FOUND}another kind of file or a truncated one"


def truncated(model, path):
    content = model.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    return f"{FOUND}another kind of file or a truncated one"


def damaged(model, path):
    content = bytearray(model.read_bytes())
    with zipfile.ZipFile(model) as archive:
        info = archive.getinfo("model.weights.h5")
    for i in range(info.header_offset + 3000, info.header_offset + 3100):
        content[i] ^= 0xFF
    path.write_bytes(content)
    return f"{FOUND}a damaged one"


def other_archive(model, path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter.txt", "dear")
    return f"{FOUND}an archive without a model in it"


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


def with_config(message, change):
    """Return a function that copies a model, with another config.json."""

    def copy(model, path):
        with zipfile.ZipFile(model) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                new.writestr(name, json.dumps(change(json.loads(content))) if name == "config.json" else content)
        return message

    return copy


def with_argument(**arguments):
    return with_config(DOES_NOT_LOAD, lambda config: {**config, "config": {**config["config"], **arguments}})


@pytest.mark.parametrize(
    "make",
    [
        *(missing, folder, no_model, truncated, damaged, other_archive, of_keras, with_a_crf_alone),
        with_config("expected a ", lambda config: []),
        with_config("this package, found 'other>Model'", lambda config: {**config, "registered_name": "other>Model"}),
        with_argument(colour="blue"),
        with_argument(hidden_dim=18),
        with_argument(preprocessor=None),
    ],
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
