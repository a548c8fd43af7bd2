"""A run that was interrupted and resumed ends as the run that never was."""

import contextlib
import json
import shutil

import pytest
from small_corpus import SETTINGS, SMALL

from mner_keras.errors import InputError
from mner_keras.registry import find_model
from mner_keras.run.config import RunConfig
from mner_keras.run.run import Run

EPOCHS = 3
FILES = ("history.csv", "metrics.json", "config.toml", "checkpoint/state.json")
# AGBAN has what the text model has not: lambda's steps, a schedule of the rate, a classifier updated now and then.
pytestmark = pytest.mark.slow


def make_config(corpus, **settings):
    # A rate at which three epochs teach something.
    settings = {**SETTINGS["agban"], "learning_rate": 0.06, "epochs": EPOCHS, "arguments": SMALL["agban"], **settings}
    return RunConfig.for_model("agban", data=str(corpus), **settings)


@pytest.fixture(scope="module")
def runs(corpus, deterministic, tmp_path_factory):
    """A finished run, and its folder as it was in the middle of its second epoch."""
    import keras

    from mner_keras.run.train import train

    whole = tmp_path_factory.mktemp("finished") / "whole"
    killed = whole.with_name("killed")

    class Copy(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch) == (1, 4):
                shutil.copytree(whole, killed, ignore=shutil.ignore_patterns(".lock"))

    train(make_config(corpus), whole, callbacks=[Copy()])
    return whole, killed


@pytest.fixture
def copy(runs, tmp_path):
    """A copy of the finished run."""
    return shutil.copytree(runs[0], tmp_path / "copy")


def test_an_interrupted_run_ends_as_the_run_that_never_was(runs, corpus):
    from mner_keras.run.train import train

    whole, killed = runs
    rows, lines = Run(whole).history, []
    # What is compared must not be constant.
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert len({row["loss"] for row in rows}) == EPOCHS
    assert Run(whole).metrics["dev"]["micro"]["f1"] > 50
    assert Run(killed).history == rows[:1]
    assert not (killed / "metrics.json").exists()
    train(make_config(corpus), killed, resume=True, report=lines.append)
    assert "resuming after epoch 1" in lines
    for name in FILES:
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_run_gives_the_weights_that_fit_on_posts_gives(runs, corpus):
    import keras
    import numpy as np

    from mner_keras import load_dataset
    from mner_keras.run.config import split_arguments

    config, data = make_config(corpus), load_dataset(str(corpus))
    keras.utils.set_random_seed(config.seed)
    model_class = find_model("agban").load_class()
    first, rest = split_arguments(model_class, SMALL["agban"])
    features = data.features("objects")
    tagger = model_class(model_class.fit_preprocessor(data["train"], features=features, **first), **rest)
    tagger.compile(training=config.training)
    settings = {"features": features, "batch_size": config.batch_size, "seed": config.seed, "verbose": 0}
    history = tagger.fit(data["train"], validation_data=data["dev"], epochs=EPOCHS, **settings).history
    found = [float(row["val_loss"]) for row in Run(runs[0]).history]
    assert history["val_loss"] == pytest.approx(found, rel=1e-6)
    fresh = model_class.from_config(tagger.get_config())
    fresh.compile(training=config.training)
    fresh.load_weights(runs[0] / "checkpoint" / f"epoch-{EPOCHS:04d}.weights.h5")
    for one, other in zip(tagger.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_a_finished_run_that_is_resumed_stays_as_it_is(runs, corpus, copy):
    from mner_keras.run.train import train

    # As if the process had been killed right after the last checkpoint.
    (copy / "metrics.json").unlink()
    (copy / "history.csv").unlink()
    train(make_config(corpus), copy, resume=True)
    for name in (*FILES, "model.keras"):
        assert (copy / name).read_bytes() == (runs[0] / name).read_bytes(), name


def test_a_run_whose_patience_has_run_out_trains_no_further(corpus, copy):
    from mner_keras.run.train import train

    state_path = copy / "checkpoint" / "state.json"
    state = json.loads(state_path.read_text(encoding="utf-8"))
    state["history"][0]["val_f1"] = 2.0
    state_path.write_text(json.dumps(state), encoding="utf-8")
    metrics = train(make_config(corpus, patience=2, epochs=9), copy, resume=True)
    assert metrics["best_epoch"] == 1
    assert len(json.loads(state_path.read_text(encoding="utf-8"))["history"]) == 3


def test_a_run_that_another_process_trains_is_left_to_it(corpus, tmp_path):
    from mner_keras.files import Lock
    from mner_keras.run.train import LOCK, train

    with contextlib.closing(Lock(tmp_path / LOCK, "in use", tmp_path)):
        with pytest.raises(InputError, match="another process is training this run"):
            train(make_config(corpus), tmp_path, overwrite=True)
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]
