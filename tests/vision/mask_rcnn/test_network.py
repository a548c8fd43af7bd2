"""Mask R-CNN whole, at its real size and width, on small squares: random weights, real pictures."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from legacy_file import to_arrays, write_legacy_file
from mask_rcnn_script import compute
from PIL import Image
from typer.testing import CliRunner

from agban_keras import AGBAN
from mner_keras.cli import app
from mner_keras.data import Post
from mner_keras.errors import InputError
from mner_keras.vision import (
    FeatureStore,
    PictureFeatures,
    extract_features,
    find_pictures,
    load_extractor,
    open_picture,
)
from mner_keras.vision.mask_rcnn import MaskRCNN, MaskRCNNObjects
from mner_keras.vision.mask_rcnn.boxes import CLASSES, to_unit
from mner_keras.vision.mask_rcnn.extractor import weights_by_name

SIDE, PROPOSALS = 128, 40
SETTINGS = {"side": SIDE, "num_proposals": PROPOSALS}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights that are sure of some class everywhere."""
    return write_legacy_file(tmp_path_factory.mktemp("weights") / "random.h5", certainty=10.0)


@pytest.fixture(scope="module")
def extractor(weights):
    # Its prediction is compiled once, for a batch of one; the tests of batches call the network as it is.
    return MaskRCNNObjects(weights, **SETTINGS)


@pytest.fixture(scope="module")
def pictures():
    home = os.environ.get("MNER_DATA")
    folder = Path(home or ".") / "twitter2015" / "images"
    if not home or not folder.is_dir():
        pytest.skip("MNER_DATA names no folder that holds twitter2015/images")
    return find_pictures([folder])[0]


@pytest.fixture(scope="module")
def noise():
    """Three pictures of different shapes, for what needs no real ones."""
    random = np.random.default_rng(0)
    small = [random.integers(0, 256, (*shape, 3)).astype("uint8") for shape in ((9, 12), (7, 5), (20, 20))]
    return [Image.fromarray(pixels).resize((320, 240), Image.Resampling.BICUBIC) for pixels in small]


def batch_of(prepared):
    """The network's inputs for pictures that the extractor prepared."""
    windows = np.stack([window for _, window, _ in prepared])
    return {
        "pixels": np.stack([square for square, _, _ in prepared]).astype("float32"),
        "window": to_unit(windows, (SIDE, SIDE)).astype("float32"),
    }


@pytest.mark.slow
def test_every_weight_of_the_file_reaches_its_layer(extractor, weights):
    ours = weights_by_name(extractor.network)
    assert sum(np.prod(weight.shape) for weight in ours.values()) == extractor.network.count_params()
    with h5py.File(weights) as file:
        for (layer, name), weight in ours.items():
            group = file["rpn_model" if layer.startswith("rpn_") else layer]
            np.testing.assert_array_equal(np.asarray(weight), group[f"{layer}/{name}:0"], err_msg=f"{layer} {name}")
    assert not extractor.network.trainable_weights


@pytest.mark.slow
def test_real_pictures_become_a_store(extractor, pictures, tmp_path):
    out = tmp_path / "objects.h5"
    chosen = dict(list(pictures.items())[:3])
    result = extract_features(chosen, extractor, out, batch_size=2)
    assert (result.added, result.failed) == (3, {})
    store = FeatureStore(out)
    with h5py.File(out) as file:
        for name, path in chosen.items():
            about = file[name].attrs
            assert file[name].shape[1] == 1024
            assert 1 <= len(file[name]) <= 5
            assert set(about["names"]) <= set(CLASSES[1:])
            scores = about["scores"]
            assert (scores >= 0.7).all()
            assert (scores[:-1] >= scores[1:]).all()
            width, height = open_picture(path).size
            boxes = about["boxes"]
            assert (boxes >= 0).all()
            assert (boxes[:, 2:] <= (height, width)).all()
            assert (boxes[:, :2] < boxes[:, 2:]).all()
        assert any(len(file[name]) == 5 for name in chosen)
        assert len({file[name][:].tobytes() for name in chosen}) == len(chosen)
    assert store.dim == 1024
    assert (store.read(list(chosen), 5)[0] >= 0).all()
    about = store.attributes
    assert (about["extractor"], about["kind"]) == ("mask-rcnn", "objects")
    assert len(about["weights_hash"]) == 64


@pytest.mark.slow
def test_an_object_s_vector_is_that_of_its_proposal(extractor, noise):
    network = extractor.network
    prepared = [extractor.prepare(picture) for picture in noise[:2]]
    inputs = batch_of(prepared)
    found = to_arrays(network(inputs, training=False))
    body = network.body(inputs["pixels"], training=False)
    boxes, _ = network.get_layer("proposals")(body["objectness"], body["deltas"])
    judged = to_arrays(network.head({"maps": body["maps"], "boxes": boxes}, training=False))
    for b, objects in enumerate(extractor.extract(prepared)):
        scores = judged["scores"][b].max(-1)
        for row in range(len(objects["vectors"])):
            # The proposal with this very vector is there, is of this class, and as probable as the object.
            distances = np.abs(judged["features"][b] - objects["vectors"][row]).max(-1)
            origin = distances.argmin()
            assert distances[origin] < 1e-4
            assert CLASSES[judged["scores"][b, origin].argmax()] == objects["names"][row]
            assert scores[origin] == pytest.approx(objects["scores"][row], abs=1e-5)
            # The box has moved away from it.
            assert np.abs(found["boxes"][b, row] - np.asarray(boxes)[b, origin]).max() > 1e-3


@pytest.mark.slow
def test_a_picture_s_objects_do_not_depend_on_its_neighbours(extractor, noise):
    prepared = list(map(extractor.prepare, noise))
    together = to_arrays(extractor.network(batch_of(prepared), training=False))
    alone = extractor.extract(prepared)
    for row, objects in enumerate(alone):
        count = len(objects["names"])
        assert count > 1
        assert [CLASSES[number] for number in together["classes"][row, :count]] == objects["names"]
        for key, name in (("scores", "scores"), ("features", "vectors")):
            np.testing.assert_allclose(together[key][row, :count], objects[name], rtol=1e-4, atol=1e-5)
    # A last batch that is not full gives the same.
    half_full = copy.copy(extractor)
    half_full.batch_size = 2
    half_full.network = Eager(extractor.network)
    ours = half_full.extract(prepared[2:])
    assert len(ours) == 1
    np.testing.assert_allclose(ours[0]["vectors"], alone[2]["vectors"], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(ours[0]["boxes"], alone[2]["boxes"])


class Eager:
    """A network that is not compiled for another size of batch."""

    def __init__(self, network):
        self.network = network

    def predict_on_batch(self, inputs):
        return to_arrays(self.network(inputs, training=False))


def test_nothing_probable_enough_is_no_object(extractor, noise):
    class Nothing:
        """A network that finds nothing: what stands behind the last detection has no meaning."""

        def predict_on_batch(self, inputs):
            shapes = {"boxes": (4,), "classes": (), "scores": (), "features": (1024,)}
            found = {key: np.ones((len(inputs["pixels"]), 100, *shape), "int32") for key, shape in shapes.items()}
            return {**found, "valid": np.zeros((len(inputs["pixels"]), 100), bool)}

    empty = copy.copy(extractor)
    empty.network = Nothing()
    found = empty.extract([extractor.prepare(noise[0])])[0]
    assert found["vectors"].shape == (0, 1024)
    assert found["vectors"].dtype == "float32"
    assert found["boxes"].shape == (0, 4)
    assert found["names"] == []


@pytest.mark.slow
def test_tensorflow_and_jax_agree_before_suppression(extractor, weights, noise, tmp_path):
    pytest.importorskip("jax")
    pixels = np.stack([extractor.prepare(picture)[0] for picture in noise[:2]]).astype("float32")
    corner = np.random.default_rng(1).uniform(0, 0.5, (2, PROPOSALS, 2))
    size = np.random.default_rng(2).uniform(0.05, 0.5, (2, PROPOSALS, 2))
    boxes = np.concatenate([corner, corner + size], -1).astype("float32")
    np.savez(tmp_path / "given.npz", pixels=pixels, boxes=boxes)
    here = Path(__file__).parents[2] / "support"
    subprocess.run(
        [sys.executable, here / "mask_rcnn_script.py", weights, tmp_path / "given.npz", tmp_path / "found.npz"],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        check=True,
        timeout=600,
    )
    expected = compute(extractor.network, pixels, boxes)
    with np.load(tmp_path / "found.npz") as found:
        assert set(found) == set(expected)
        for key, value in expected.items():
            np.testing.assert_allclose(found[key], value, rtol=0, atol=1e-3, err_msg=key)


@pytest.mark.slow
def test_half_precision(extractor, noise):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = MaskRCNN(SIDE, PROPOSALS)
    finally:
        keras.config.set_dtype_policy("float32")
    half.set_weights(extractor.network.get_weights())
    assert half.body.get_layer("conv1").compute_dtype == "bfloat16"
    pixels = extractor.prepare(noise[0])[0][None].astype("float32")
    boxes = np.tile(np.array([0.1, 0.1, 0.5, 0.5], "float32"), (1, PROPOSALS, 1))
    boxes[0, 1, 2] = 0.5005  # the same as 0.5 in bfloat16
    exact, rough = (compute(network, pixels, boxes) for network in (extractor.network, half))
    assert np.abs(rough["objectness"] - exact["objectness"]).mean() < 0.02
    for key in ("objectness", "deltas", "head_features", "head_scores", "head_deltas"):
        assert rough[key].dtype == "float32"
    assert (rough["head_features"][0, 0] != rough["head_features"][0, 1]).any()
    np.testing.assert_array_equal(rough["head_features"][0, 0], rough["head_features"][0, 2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": 0}, "expected a side that is a multiple of 64, found 0"),
        ({"side": 100}, "expected a side that is a multiple of 64, found 100"),
        ({"top": 0}, "at least 1 object and 1 proposal a picture, found 0 and 1000"),
        ({"num_proposals": 0}, "at least 1 object and 1 proposal a picture, found 5 and 0"),
        ({"min_score": 70}, "a least probability from 0 to 1, found 70"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        MaskRCNNObjects("none.h5", **options)


@pytest.mark.slow
def test_the_command_s_store_names_the_extractor_that_reads_new_pictures(
    extractor, weights, noise, tmp_path, monkeypatch
):
    def network(*arguments):
        assert arguments == (SIDE, PROPOSALS, 0.7)
        return extractor.network  # a second and a third one of the same settings would take time

    monkeypatch.setattr("mner_keras.vision.mask_rcnn.extractor.MaskRCNN", network)
    folder, path = tmp_path / "pictures", tmp_path / "objects.h5"
    folder.mkdir()
    for number, picture in enumerate(noise):
        picture.save(folder / f"{number}.png")
    options = ["--top", "4", "--weights", str(weights), "--side", str(SIDE), "--num-proposals", str(PROPOSALS)]
    command = ["features", "mask-rcnn", str(folder), "--out", str(path), *options]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0 and "3 pictures added" in result.output, result.output
    store = FeatureStore(path)
    visual = AGBAN.fit_preprocessor([Post(("Anna",), ("B-PER",), "0")], features=store, num_objects=4).visual
    assert (visual.extractor, visual.count) == ("mask-rcnn", 4) and len(visual.weights_hash) == 64
    assert json.loads(visual.options) == {"top": 4, "min_score": 0.7, **SETTINGS}
    direct = PictureFeatures(find_pictures([folder])[0], load_extractor(visual, weights))
    ids = ["0", "1", "2", None]  # the last post has no picture
    for found, stored in zip(direct.read(ids, 4), store.read(ids, 4), strict=True):
        np.testing.assert_array_equal(found, stored)
