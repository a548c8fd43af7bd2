"""One check that every model of the registry passes."""

import inspect
import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from layer_harness import randomize, to_numpy

import mner_keras
from mner_keras.errors import InputError
from mner_keras.layers import CRFDecode
from mner_keras.registry import find_model

ROWS = [0, 4, 5, 6, 13, 19]  # the first two see no picture, the others none to two objects
BEYOND = 3


def check_model(
    world,
    tmp_path,
    *,
    arguments=None,
    padding_counts=False,
    ordered=False,
    still=(),
    policies=("mixed_float16",),
    file=True,
):
    """What users expect of a model, whatever it computes.

    Its configuration holds every argument and makes an equal model. Potentials, loss and gradients do not depend on
    padding, empty rows, company in the batch, or what stands under the masks; they do depend on every input. Every
    weight has a gradient, and a step lowers the loss. The file alone is the model: it tags posts, explains, trains on,
    and holds no code and no path of the machine. Half precision trains, with the CRF in float32.

    Args:
        world: a `small_corpus.World`.
        tmp_path: a folder.
        arguments: further arguments of the model.
        padding_counts: whether padding changes the potentials, as it does in the released AGBAN.
        ordered: whether the order of the objects matters.
        still: the paths of the trainable weights that may have no gradient.
        policies: the dtype policies to train under.
        file: whether a file of the model is written and read.
    """
    model = world.build(loss_reduction="mean", **(arguments or {}))
    _check_config(world, model)
    for layer in model.layers:  # what begins at zero or one hides mistakes
        if layer is not model.crf:
            for weight in layer.trainable_weights:
                weight.assign(to_numpy(weight.value) + 0.1 * np.random.default_rng(0).normal(size=weight.shape))
    randomize(model.crf)
    inputs, tags = world.batch(ROWS)
    assert not inputs["token_mask"].all()
    if world.preprocessor.visual is not None and world.preprocessor.visual.kind == "regions":
        inputs["visual_mask"] = inputs["visual_mask"] & (np.arange(inputs["visual_mask"].shape[1]) > 0)
    same = _same(inputs, tags, ordered)
    if padding_counts:
        del same["garbage in further padding"]
    _check_potentials(model, inputs, same)
    _check_step(model, inputs, tags, same, still)
    _check_every_input_matters(model, inputs)
    _check_without_pictures(model, inputs, tags)
    if file:
        _check_file(world, model, inputs, tags, tmp_path)
    for policy in policies:
        _check_half_precision(world, policy)


def potentials_of(model, inputs):
    return to_numpy(model(inputs)["potentials"])


def _check_config(world, model):
    config = model.get_config()
    assert [name for name in inspect.signature(type(model).__init__).parameters if name not in {"self", *config}] == []
    entry = find_model(world.name)
    assert type(model) is entry.load_class()
    assert {name: config[name] for name in entry.arguments if name in config}.items() <= dict(entry.arguments).items()
    assert type(model).from_config(json.loads(json.dumps(config))).get_config() == config


def _same(inputs, tags, ordered):
    """By name, batches that mean the same."""
    rng = np.random.default_rng(5)
    padded = {key: np.pad(array, [(0, 0), (0, BEYOND), *[(0, 0)] * (array.ndim - 2)]) for key, array in inputs.items()}
    garbage = {}
    for key, array in padded.items():
        mask = padded["visual_mask" if key.startswith("visual_") else "token_mask"]
        if key.endswith("mask"):
            garbage[key] = array
            continue
        there = mask.reshape(mask.shape + (1,) * (array.ndim - 2))
        other = rng.integers(1, 9, array.shape) if array.dtype.kind == "i" else rng.normal(0, 50, array.shape)
        garbage[key] = np.where(there, array, other).astype(array.dtype)
        assert (garbage[key] != array).any()
    garbage_tags = np.where(padded["token_mask"], np.pad(tags, ((0, 0), (0, BEYOND))), -100).astype("int32")
    empty = {key: np.pad(array, [(0, 2), *[(0, 0)] * (array.ndim - 1)]) for key, array in inputs.items()}
    same = {
        "garbage in further padding": (garbage, garbage_tags),
        "empty rows": (empty, np.pad(tags, ((0, 2), (0, 0)))),
    }
    if "visual_mask" in inputs and not ordered:
        order = np.roll(np.arange(inputs["visual_mask"].shape[1]), 1)
        moved = {key: array[:, order] if key.startswith("visual_") else array for key, array in inputs.items()}
        same["moved objects"] = moved, tags
    return same


def _check_potentials(model, inputs, same):
    expected = potentials_of(model, inputs)
    assert np.isfinite(expected).all()
    mask = inputs["token_mask"]
    for change, (other, _) in same.items():
        found = potentials_of(model, other)[: len(mask), : mask.shape[1]]
        np.testing.assert_allclose(found[mask], expected[mask], rtol=1e-4, atol=1e-5, err_msg=change)
    for row in (3, 5) if "garbage in further padding" in same else ():
        length = mask[row].sum()
        alone = {
            key: array[[row]] if key.startswith("visual_") else array[[row], :length] for key, array in inputs.items()
        }
        found = potentials_of(model, alone)[0]
        np.testing.assert_allclose(found, expected[row, :length], rtol=1e-4, atol=1e-5, err_msg=f"row {row} alone")


def _check_step(model, inputs, tags, same, still):
    # One plain step of size one: the weights move by the gradient. Eagerly, since each length would be compiled anew.
    model.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    initial = model.get_weights()

    def step(batch, batch_tags, rate=1.0):
        model.optimizer.learning_rate = rate
        logs = model.train_on_batch(batch, batch_tags, return_dict=True)
        model.reset_metrics()
        weights = model.get_weights()
        model.set_weights(initial)
        return logs, [after - before for before, after in zip(initial, weights, strict=True)], weights

    logs, moves, _ = step(inputs, tags)
    assert np.isfinite(logs["loss"])
    trainable = {id(weight) for weight in model.trainable_weights}
    unmoved = {w.path for w, move in zip(model.weights, moves, strict=True) if id(w) in trainable and not move.any()}
    assert unmoved <= set(still), "weights without a gradient"
    for change, (other, other_tags) in same.items():
        other_logs, other_moves, _ = step(other, other_tags)
        assert other_logs == pytest.approx(logs, rel=1e-4, abs=1e-5), change
        for weight, one, two in zip(model.weights, moves, other_moves, strict=True):
            np.testing.assert_allclose(two, one, rtol=1e-3, atol=2e-5, err_msg=f"{change}: {weight.path}")
    name = "crf_loss" if "crf_loss" in logs else "loss"
    model.set_weights(step(inputs, tags, rate=1e-3)[2])
    after = model.train_on_batch(inputs, tags, return_dict=True)
    assert after[name] < logs[name], "a step must lower the loss"
    model.reset_metrics()


def _check_every_input_matters(model, inputs):
    expected = potentials_of(model, inputs)
    for name in model.input:
        if not name.endswith("mask"):
            array = inputs[name]
            changed = np.where(array > 0, array[::-1], array) if array.dtype.kind == "i" else array[::-1] + 1
            found = potentials_of(model, {**inputs, name: changed})
            assert np.abs(found - expected)[inputs["token_mask"]].max() > 1e-6, name


def _check_without_pictures(model, inputs, tags):
    if "visual_mask" not in inputs:
        return
    masked = {**inputs, "visual_mask": np.zeros_like(inputs["visual_mask"])}
    assert np.isfinite(model.train_on_batch(masked, tags, return_dict=True)["loss"])
    model.reset_metrics()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    none = {key: array[:, :0] if key.startswith("visual_") else array for key, array in masked.items()}
    assert np.isfinite(potentials_of(model, none)).all()


def _check_file(world, model, inputs, tags, tmp_path):
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    model.train_on_batch(inputs, tags)
    path = tmp_path / "model.keras"
    model.save(path)
    _check_archive(path, world)
    loaded = mner_keras.load(path)
    assert type(loaded) is type(model)
    assert loaded.get_config() == model.get_config()
    np.testing.assert_allclose(potentials_of(loaded, inputs), potentials_of(model, inputs), rtol=1e-5, atol=1e-6)
    # The file alone tags new posts; the decoding layer in a graph of one's own gives the same.
    posts = [*world.posts[:3], world.posts[-1], mner_keras.Post(["nobody", "\u200e"], pos=["NN", "NN"])]
    tagged = loaded.tag(posts, world.store, batch_size=3)
    assert tagged == model.tag(posts, world.store, batch_size=3)
    assert [one.post for one in tagged] == posts
    graph = keras.Model(model.input, CRFDecode(model.crf)(model.output["potentials"], model.output["mask"])[0])
    found = to_numpy(graph.predict_on_batch({name: inputs[name] for name in model.input}))
    np.testing.assert_array_equal(found, loaded.decode(inputs))
    _check_explain(world, loaded, posts)
    # It trains on as it was compiled, to the same weights.
    assert len(loaded.optimizer.variables) == len(model.optimizer.variables)
    for one in (model, loaded):
        one.run_eagerly = True
        one.train_on_batch(inputs, tags)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def _check_archive(path, world):
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    assert {Path(name).suffix for name in files} == {".json", ".h5"}
    for name, content in files.items():
        assert content.startswith(b"{" if name.endswith(".json") else b"\x89HDF"), name
    config = files["config.json"].decode()
    assert json.loads(config)["config"]["format"] == 2
    for word in ("__lambda__", "pickle", "h5", str(path.parent), *([world.store.path] if world.store else [])):
        assert word not in config, word


def _check_explain(world, model, posts):
    names = [name for name in model.explained if name in model.output]
    if not names:
        with pytest.raises(InputError, match=f"^{type(model).__name__} has no attention to explain$"):
            model.explain(posts)
        return
    inputs, _ = world.batch(posts=posts)
    seen = inputs["visual_mask"].sum(axis=1)
    explained = model.explain(posts, world.store, batch_size=2)
    for post, count, found in zip(posts, seen, explained, strict=True):
        assert list(found) == names
        for name, array in found.items():
            sizes = {"n": len(post), "k": count}
            for axis, size in zip(model.explained[name], array.shape, strict=True):
                assert size == sizes.get(axis, size), name
            if "attention" in name and array.size:
                np.testing.assert_allclose(array.sum(axis=-1), 1, rtol=1e-4)
    (alone,) = model.explain(posts[:1], world.store)
    for name, array in alone.items():
        np.testing.assert_allclose(array, explained[0][name], rtol=1e-4, atol=1e-6)


def _check_half_precision(world, policy):
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = world.build(loss_reduction="mean")
    finally:
        keras.config.set_dtype_policy(previous)
    half = policy.removeprefix("mixed_")
    computing = {layer.name for layer in model.layers if layer.weights and layer.compute_dtype == half}
    assert {"potentials", "bilstm", "word_embedding"} <= computing
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    assert ("LossScale" in type(model.optimizer).__name__) == (half == "float16")
    inputs, tags = world.batch([6, 8, 19])
    losses = [model.train_on_batch(inputs, tags, return_dict=True)["loss"] for _ in range(5)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    outputs = model(inputs)
    likelihoods = model.crf.log_likelihood(outputs["potentials"], tags, outputs["mask"])
    values = (*model.weights, outputs["potentials"], likelihoods)
    assert {keras.backend.standardize_dtype(value.dtype) for value in values} == {"float32"}
    assert (to_numpy(likelihoods) <= 1e-5).all()
