"""`RunCheckpoint`: the best model, the last state, and nothing half-written."""

import json
import zipfile

import numpy as np
import pytest

from mner_keras.errors import InputError
from mner_keras.run.fit import RunCheckpoint

WEIGHTS = "epoch-0001.weights.h5"


def start(folder, model, patience=0):
    checkpoint = RunCheckpoint(folder, patience)
    checkpoint.set_model(model)
    return checkpoint


def train_epochs(checkpoint, *scores):
    """One step and the end of an epoch for each dev F1."""
    model = checkpoint.model
    for score in scores:
        model.train_on_batch(np.ones((8, 3)), np.ones((8, 2)))
        checkpoint.on_epoch_end(len(checkpoint.history), {"val_f1": score, "loss": 1.5})


def weights(model):
    return [np.asarray(weight).copy() for weight in model.get_weights()]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def best(folder):
    import keras

    return weights(keras.saving.load_model(folder / "model.keras"))


def test_the_folder_holds_the_best_model_the_history_and_one_checkpoint(model, tmp_path):
    checkpoint = start(tmp_path, model)
    assert checkpoint.best_epoch == 0
    # The first epoch is kept whatever its score, and so is the first of two best ones.
    train_epochs(checkpoint, 0.0)
    assert same(best(tmp_path), weights(model))
    train_epochs(checkpoint, 0.7)
    of_best = weights(model)
    train_epochs(checkpoint, 0.7, 0.6)
    assert checkpoint.best_epoch == 2
    assert same(best(tmp_path), of_best)
    assert not same(weights(model), of_best)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == [
        "checkpoint/epoch-0004.weights.h5",
        "checkpoint/state.json",
        "history.csv",
        "model.keras",
    ]
    rows = ["epoch,loss,val_f1", "1,1.5,0.0", "2,1.5,70.0", "3,1.5,70.0", "4,1.5,60.0"]
    assert (tmp_path / "history.csv").read_text(encoding="utf-8").splitlines() == rows
    state = json.loads((tmp_path / "checkpoint" / "state.json").read_text(encoding="utf-8"))
    assert state == {"weights": "epoch-0004.weights.h5", "history": checkpoint.history}
    # The model that is kept knows nothing of the optimiser.
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert not json.loads(archive.read("config.json")).get("compile_config")
        assert b"optimizer" not in archive.read("model.weights.h5")


@pytest.mark.parametrize("patience", [0, 2])
def test_patience_counts_epochs_without_a_better_score(model, tmp_path, patience):
    checkpoint = start(tmp_path, model, patience)
    model.stop_training = False
    train_epochs(checkpoint, 0.5, 0.6, 0.6)
    assert not model.stop_training
    train_epochs(checkpoint, 0.1)
    assert checkpoint.finished == model.stop_training == bool(patience)


def test_a_checkpoint_brings_back_weights_optimiser_and_history(model, tmp_path):
    import keras

    checkpoint, before = start(tmp_path, model), weights(model)
    assert checkpoint.restore(model) == 0
    assert same(weights(model), before)
    train_epochs(checkpoint, 0.5, 0.4)
    other = keras.models.clone_model(model)
    other.compile("adam", "mse")
    restored = start(tmp_path, other)
    assert restored.restore(other) == 2
    assert restored.history == checkpoint.history
    assert restored.best_epoch == 1
    assert same(weights(model), weights(other))
    assert int(other.optimizer.iterations) == int(model.optimizer.iterations) == 2
    assert same([np.asarray(v) for v in model.optimizer.variables], [np.asarray(v) for v in other.optimizer.variables])


@pytest.mark.parametrize("what", ["weights", "model", "state"])
def test_a_write_that_fails_is_an_error_and_keeps_what_was_there(model, tmp_path, monkeypatch, what):
    import keras

    import mner_keras.run.fit as module

    checkpoint = start(tmp_path, model)
    train_epochs(checkpoint, 0.5)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    if what == "weights":
        monkeypatch.setattr(keras.Model, "save_weights", fail)
    elif what == "model":
        monkeypatch.setattr(keras.Model, "save", fail)
    else:
        monkeypatch.setattr(module, "write_json", fail)
    with pytest.raises(InputError) as caught:
        train_epochs(checkpoint, 0.6 if what == "model" else 0.4)
    assert str(caught.value).startswith(f"{tmp_path}: epoch 2 could not be saved (")
    assert str(caught.value).endswith("; the checkpoint before it is kept")
    monkeypatch.undo()
    assert all(path.read_bytes() == content for path, content in before.items())
    restored = start(tmp_path, model)
    assert restored.restore(model) == 1


@pytest.mark.parametrize(
    ("file", "content"),
    [(WEIGHTS, b"cut"), (WEIGHTS, None), *(("state.json", content) for content in (b"", b"{}", b"[]"))],
)
def test_a_checkpoint_that_does_not_load_is_an_error(model, tmp_path, file, content):
    train_epochs(start(tmp_path, model), 0.5)
    path = tmp_path / "checkpoint" / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:1000] if content == b"cut" else content)
    with pytest.raises(InputError) as caught:
        start(tmp_path, model).restore(model)
    path = tmp_path / "checkpoint" / "state.json"
    assert str(caught.value).startswith(f"{path}: expected a checkpoint of this run, found one that does not load (")
    assert "\n" not in str(caught.value)


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_checkpoint_before_it(model, tmp_path):
    checkpoint = start(tmp_path, model)
    train_epochs(checkpoint, 0.5)
    with pytest.raises(InputError, match="the loss of epoch 2 is nan: training diverged.* a tag outside .* -100"):
        checkpoint.on_epoch_end(1, {"val_f1": 0.0, "loss": float("nan")})
    assert (tmp_path / "checkpoint" / "epoch-0001.weights.h5").exists()
    assert len(checkpoint.history) == 1
