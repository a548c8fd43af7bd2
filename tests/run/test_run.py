"""`Run`: what a run's folder says, and which features its posts are read with."""

import dataclasses
import json
import types

import pytest

from mner_keras.errors import InputError
from mner_keras.run.config import RunConfig
from mner_keras.run.run import Run
from mner_keras.vision.visual_input import VisualInput

HASHED = VisualInput("objects", 3, 8, extractor="tiles")
BLIND = dataclasses.replace(HASHED, pictures=False)


@pytest.fixture
def folder(tmp_path):
    RunConfig.for_model("agban", batch_size=10).save(tmp_path / "config.toml")
    return tmp_path


def opened(folder, visual=HASHED, own="own.h5", **options):
    """A run whose model and data are stand-ins."""
    run = Run(folder, **options)
    run.model = types.SimpleNamespace(
        preprocessor=types.SimpleNamespace(visual=visual, reads_store=visual is not None and visual.pictures)
    )
    run.dataset = types.SimpleNamespace(features=lambda kind: own)
    return run


def test_the_features_are_those_given_else_the_runs_else_the_datas(folder):
    assert opened(folder).features == "own.h5"
    assert opened(folder, own=None).features is None
    assert opened(folder, visual=None).features is None
    assert opened(folder, features="given.h5").features == "given.h5"
    assert opened(folder, no_pictures=True).features is None
    # A model that was trained without pictures uses no store.
    assert opened(folder, visual=BLIND).features is None
    assert opened(folder, visual=BLIND, features="given.h5").features is None
    RunConfig.for_model("agban", features="runs.h5").save(folder / "config.toml")
    assert opened(folder).features == "runs.h5"
    # Other data has other pictures.
    assert opened(folder, data="elsewhere").features == "own.h5"


def test_a_run_without_pictures_stays_without(folder):
    RunConfig.for_model("agban", no_pictures=True).save(folder / "config.toml")
    assert opened(folder).features is None
    assert opened(folder, features="given.h5").features == "given.h5"


def test_provenance_is_that_of_a_finished_run(folder):
    with pytest.raises(InputError, match=r"provenance.json: expected a finished run"):
        Run(folder).provenance  # noqa: B018
    (folder / "provenance.json").write_text('{"seed": 1}')
    assert Run(folder).provenance == {"seed": 1}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("provenance", "[]", "provenance.json: expected an object"),
        ("metrics", "{", "metrics.json: expected a finished run, found a file that does not parse"),
        ("metrics", json.dumps({"dev": 1}), "expected precision, recall, f1, support of dev and test"),
        ("metrics", None, "metrics.json: expected a finished run; No such file"),
        ("history", None, "history.csv: expected a run's history"),
        ("history", "epoch,loss\n1,high\n", "history.csv: expected a run's history, found a file that does not parse"),
        ("history", "epoch,loss\n", "history.csv: expected a run's history, found a file .*no epoch"),
    ],
)
def test_damaged_files_are_named(folder, name, text, message):
    if text is not None:
        (folder / f"{name}.{'csv' if name == 'history' else 'json'}").write_text(text)
    with pytest.raises(InputError, match=message):
        getattr(Run(folder), name)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected a run"):
        Run(tmp_path)
    with pytest.raises(InputError, match="found no such thing"):
        Run(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("model", "arguments", "expected"),
    [
        ("agban", {}, (25 / 3, (32 * 32 + 8 * 8) / 40)),
        ("agban", {"loss_reduction": "mean"}, (1.0, 1.0)),
        ("hsn", {}, (1.0, 1.0)),
        ("stanford-ner-like", {}, (1.0, 1.0)),
    ],
)
def test_losses_of_a_batch_become_those_of_a_post(folder, model, arguments, expected):
    config = dataclasses.replace(RunConfig.for_model(model), batch_size=10, arguments=arguments)
    config.save(folder / "config.toml")
    run = opened(folder)
    run.dataset = {"train": range(25), "dev": range(40)}
    assert run.posts_per_batch() == expected


def test_a_run_of_an_older_version_is_refused_and_its_settings_can_be_trained_again(folder):
    path = folder / "config.toml"
    assert "format = 2" in path.read_text()
    path.write_text(path.read_text().replace("format = 2\n", ""))
    with pytest.raises(InputError, match="found 1: made by mner-keras 0.1. `mner train .*config.toml` trains it again"):
        Run(folder)
    assert RunConfig.load(path).batch_size == 10
