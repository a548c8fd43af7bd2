"""A run that was interrupted and resumed ends as the run that never was."""

import json
import shutil

import pytest
from small_corpus import SETTINGS, SMALL

from mner_keras.data import Post
from mner_keras.errors import InputError
from mner_keras.registry import find_model
from mner_keras.run.config import RunConfig
from mner_keras.run.run import Run

EPOCHS = 3


def make_config(model, corpus, **settings):
    settings = {"epochs": EPOCHS, **SETTINGS[model], **settings}
    return RunConfig.for_model(model, data=str(corpus), arguments=SMALL[model], **settings)


def interrupt(epoch, batch, error=KeyboardInterrupt):
    import keras

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, number, logs=None):
            self.number = number

        def on_train_batch_end(self, step, logs=None):
            if (self.number, step) == (epoch, batch):
                raise error

    return Interrupt()


@pytest.fixture(scope="module")
def finished(corpus, deterministic, tmp_path_factory):
    """The folder of a run that was never interrupted, by model."""
    from mner_keras.run.train import train

    folders = {}

    def get(model):
        if model not in folders:
            folders[model] = tmp_path_factory.mktemp("finished") / model
            train(make_config(model, corpus), folders[model])
        return folders[model]

    return get


# AGBAN brings what the text model has not: lambda's steps, a schedule of the rate, a classifier updated now and then.
@pytest.mark.parametrize("model", ["text", pytest.param("agban", marks=pytest.mark.slow)])
def test_an_interrupted_run_ends_as_the_run_that_never_was(model, finished, corpus, tmp_path):
    from mner_keras.run.train import train

    config, lines = make_config(model, corpus), []
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path, callbacks=[interrupt(epoch=1, batch=4)])
    assert len(Run(tmp_path).history) == 1
    assert not (tmp_path / "metrics.json").exists()
    train(config, tmp_path, resume=True, report=lines.append)
    assert "resuming after epoch 1" in lines
    for name in ("history.csv", "metrics.json", "config.toml", "checkpoint/state.json"):
        assert (tmp_path / name).read_bytes() == (finished(model) / name).read_bytes(), name


@pytest.mark.parametrize("model", ["text", pytest.param("agban", marks=pytest.mark.slow)])
def test_a_run_gives_the_weights_that_fit_on_posts_gives(model, finished, corpus):
    import keras
    import numpy as np

    from mner_keras import load_dataset
    from mner_keras.run.config import split_arguments

    config, data = make_config(model, corpus), load_dataset(str(corpus))
    keras.utils.set_random_seed(config.seed)
    model_class = find_model(model).load_class()
    features = data.features("objects") if model == "agban" else None
    first, rest = split_arguments(model_class, SMALL[model])
    preprocessor = model_class.fit_preprocessor(data["train"], features=features, **first)
    tagger = model_class(preprocessor, **rest)
    tagger.compile(training=config.training)
    settings = {"features": features, "batch_size": config.batch_size, "seed": config.seed, "verbose": 0}
    history = tagger.fit(data["train"], validation_data=data["dev"], epochs=EPOCHS, **settings).history
    found = [float(row["val_loss"]) for row in Run(finished(model)).history]
    assert history["val_loss"] == pytest.approx(found, rel=1e-6)
    fresh = model_class.from_config(tagger.get_config())
    fresh.compile(training=config.training)
    fresh.load_weights(finished(model) / "checkpoint" / f"epoch-{EPOCHS:04d}.weights.h5")
    for one, other in zip(tagger.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_the_losses_of_the_epochs_differ_and_the_model_learns(finished):
    # What the comparison above compares must not be constant.
    rows = Run(finished("text")).history
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    losses = [row["loss"] for row in rows]
    assert losses[0] > losses[1] > losses[2]
    assert json.loads((finished("text") / "metrics.json").read_text())["dev"]["micro"]["f1"] > 50


def test_a_finished_run_that_is_resumed_stays_as_it_is(finished, corpus, tmp_path):
    from mner_keras.run.train import train

    folder = tmp_path / "copy"
    shutil.copytree(finished("text"), folder)
    before = (folder / "model.keras").read_bytes()
    # As if the process had been killed right after the last checkpoint.
    (folder / "metrics.json").unlink()
    (folder / "history.csv").unlink()
    train(make_config("text", corpus), folder, resume=True)
    assert (folder / "model.keras").read_bytes() == before
    for name in ("metrics.json", "history.csv"):
        assert (folder / name).read_bytes() == (finished("text") / name).read_bytes(), name


def test_a_run_whose_patience_has_run_out_trains_no_further(finished, corpus, tmp_path):
    from mner_keras.run.train import train

    folder = tmp_path / "copy"
    shutil.copytree(finished("text"), folder)
    state_path = folder / "checkpoint" / "state.json"
    state = json.loads(state_path.read_text(encoding="utf-8"))
    state["history"][0]["val_f1"] = 2.0
    state_path.write_text(json.dumps(state), encoding="utf-8")
    metrics = train(make_config("text", corpus, patience=2, epochs=9), folder, resume=True)
    assert metrics["best_epoch"] == 1
    assert len(json.loads(state_path.read_text(encoding="utf-8"))["history"]) == 3


def test_a_write_that_fails_keeps_the_checkpoint_before_it(corpus, deterministic, tmp_path, monkeypatch, finished):
    import keras

    from mner_keras.models import load
    from mner_keras.run.train import train

    save_weights, saved = keras.Model.save_weights, []

    def fail(self, path, *args, **kwargs):
        if saved:
            path.write_bytes(b"cut off")
            raise OSError(28, "No space left on device")
        saved.append(path)
        return save_weights(self, path, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "save_weights", fail)
    with pytest.raises(InputError) as caught:
        train(make_config("text", corpus), tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: epoch 2 could not be saved (")
    assert "No space left on device" in str(caught.value)
    monkeypatch.undo()
    names = sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
    assert names == ["epoch-0001.weights.h5", "state.json"]
    assert load(tmp_path / "model.keras").tag([Post(("Rome",), pos=("NNP",))])[0].tags
    train(make_config("text", corpus), tmp_path, resume=True)
    for name in ("history.csv", "metrics.json"):
        assert (tmp_path / name).read_bytes() == (finished("text") / name).read_bytes(), name


def test_a_checkpoint_of_another_model_is_an_error(finished, corpus, tmp_path):
    from mner_keras.run.train import train

    folder = tmp_path / "copy"
    shutil.copytree(finished("text"), folder)
    config = make_config("text", corpus)
    wider = RunConfig.for_model(
        "text", data=config.data, epochs=5, arguments={**config.arguments, "hidden_dim": 20}, **SETTINGS["text"]
    )
    with pytest.raises(InputError, match="expected a checkpoint of this run, found one that does not load"):
        train(wider, folder, resume=True)


def test_a_run_that_another_process_trains_is_left_to_it(corpus, tmp_path):
    from mner_keras.files import hold_lock
    from mner_keras.run.train import LOCK, train

    with hold_lock(tmp_path / LOCK), pytest.raises(InputError, match="another process is training this run"):
        train(make_config("text", corpus), tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
