"""Exported models against the models they come from, and the runtime without Keras."""

import dataclasses
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from layer_harness import to_numpy
from small_corpus import make_world

from mner_keras import InputError, Post, load_dataset
from mner_keras.export import export_onnx, export_saved_model
from mner_keras.models import load
from mner_keras.runtime import OnnxTagger

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="export runs on TensorFlow")
needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "tf2onnx", "onnxruntime")),
    reason="the extras onnx and runtime are not installed",
)
ROOT = Path(__file__).resolve().parents[2]


def make_model(world, **arguments):
    """A model with weights and a temperature that give many entities of many scores."""
    model = world.build(**arguments)
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if "transitions" not in weight.path:
            weight.assign(to_numpy(weight.value) + 0.5 * rng.normal(size=weight.shape))
    model.temperature = 0.7
    return model


def vectors_of(world):
    """The store's vectors as arrays by image id."""
    ids = [post.image_id for post in world.posts if post.image_id in (world.store or ())]
    return {name: features[mask] for name in ids for (features,), (mask,) in [world.store.read([name], 9)]}


def assert_same(found, expected, atol=1e-5):
    assert [one.tags for one in found] == [one.tags for one in expected]
    assert [one.post for one in found] == [one.post for one in expected]
    pairs = zip(found, expected, strict=True)
    entities = [(a, b) for one, two in pairs for a, b in zip(one.entities, two.entities, strict=True)]
    assert len({round(a.score, 3) for a, _ in entities}) > 5, "scores that differ"
    for a, b in entities:
        assert dataclasses.replace(a, score=b.score) == b
        assert a.score == pytest.approx(b.score, abs=atol)


@pytest.fixture(scope="module")
def hsn(corpus, tmp_path_factory):
    world = make_world("hsn", corpus)
    model, path = make_model(world), tmp_path_factory.mktemp("onnx") / "hsn.onnx"
    export_onnx(model, path)
    return world, model, path


@needs_onnx
def test_the_runtime_gives_the_tags_and_scores_of_the_model(corpus, tmp_path):
    # Its CRF has more labels than tags, its batches all one size, its characters an LSTM, its pictures objects.
    world = make_world("agban-released", corpus)
    model = make_model(world)
    export_onnx(model, tmp_path / "model.onnx")
    found = OnnxTagger(tmp_path / "model.onnx").tag(world.posts, vectors_of(world))
    assert_same(found, model.tag(world.posts, world.store))


@needs_onnx
def test_pictures_matter_to_the_runtime(hsn):
    world, model, path = hsn
    tagger = OnnxTagger(path)
    assert_same(tagger.tag(world.posts, vectors_of(world)), model.tag(world.posts, world.store))
    alone = tagger.tag(world.posts)
    assert_same(alone, model.tag(world.posts))
    assert alone != tagger.tag(world.posts, vectors_of(world))
    assert tagger.tag([]) == []


@needs_onnx
@pytest.mark.skipif("MNER_DATA" not in os.environ, reason="MNER_DATA names no folder with Twitter-2015")
def test_the_runtime_tags_twitter_2015_as_the_model_does(hsn):
    _, model, path = hsn
    posts = load_dataset(Path(os.environ["MNER_DATA"]) / "twitter2015" / "umt")["test"]
    posts = [Post(post.tokens, pos=(("NN", "VB", "DT") * len(post))[: len(post)]) for post in posts]
    assert len(posts) == 3257
    assert_same(OnnxTagger(path).tag(posts), model.tag(posts))


@needs_onnx
def test_a_frozen_backbone_is_part_of_the_network(corpus, tmp_path):
    pytest.importorskip("keras_hub")
    from tiny_bert import write_tiny_bert

    bert = write_tiny_bert(tmp_path / "tiny", layers=1, positions=48)[0]
    world = make_world("text", corpus, backbone=bert, use_pos=False, use_characters=False)
    model = make_model(world)
    export_onnx(model, tmp_path / "model.onnx")
    assert_same(OnnxTagger(tmp_path / "model.onnx").tag(world.posts), model.tag(world.posts))


BARE = """
import sys

class Only:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ALLOWED or name.partition(".")[0] in sys.stdlib_module_names:
            return None
        raise ModuleNotFoundError(f"no {name} here", name=name)

ALLOWED = {"mner_keras", "numpy", "onnxruntime", "google", "flatbuffers", "packaging"}
sys.meta_path.insert(0, Only())
from mner_keras.runtime import OnnxTagger, Post

post = Post(("Anna", "saw", "Rome"), pos=("NNP", "VB", "NNP"))
(found,) = OnnxTagger(sys.argv[1]).tag([post])
print(*found.tags)
"""


@needs_onnx
def test_the_runtime_needs_numpy_and_onnx_runtime_alone(hsn):
    _, model, path = hsn
    done = subprocess.run([sys.executable, "-c", BARE, path], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (expected,) = model.tag([Post(("Anna", "saw", "Rome"), pos=("NNP", "VB", "NNP"))])
    assert done.stdout.split() == list(expected.tags)


@needs_onnx
def test_what_the_runtime_cannot_read_is_refused(hsn, tmp_path):
    world, _, path = hsn
    tagger = OnnxTagger(path)
    refused = [
        (
            [Post(["Rome"], pos=["NNP"]), ["Rome"]],
            None,
            "expected parts of speech, which the model reads, found post 2",
        ),
        (["Rome is good"], None, "`posts` must be posts or lists of tokens. Received: the text 'Rome is good'"),
        (world.posts[:1], {world.posts[0].image_id: np.ones((4, 3))}, "features: expected vectors of 8 at 'train-0'"),
    ]
    for posts, features, message in refused:
        with pytest.raises(ValueError, match=message):
            tagger.tag(posts, features)
    (tmp_path / "text.onnx").write_text("no network")
    for other in (tmp_path / "text.onnx", tmp_path / "none.onnx", tmp_path):
        with pytest.raises(InputError, match=f"^{other}: expected an ONNX file of `mner export`"):
            OnnxTagger(other)


def test_other_backends_are_refused(corpus, tmp_path, monkeypatch):
    model = make_world("text", corpus).build()
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    for write in (export_onnx, export_saved_model):
        with pytest.raises(InputError, match="^expected KERAS_BACKEND=tensorflow to export a model, found jax$"):
            write(model, tmp_path / "model")


@pytest.mark.parametrize(("package", "extra"), [("onnx", "onnx"), ("tf2onnx", "onnx"), ("onnxruntime", "runtime")])
def test_a_missing_package_is_named(package, extra, corpus, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"needs {package}: pip install 'mner-keras\[{extra}\]'$"):
        if extra == "runtime":
            OnnxTagger(tmp_path / "model.onnx")
        else:
            export_onnx(make_world("text", corpus).build(), tmp_path / "model.onnx")


@needs_onnx
def test_the_temperature_changes_scores_alone_and_is_saved(hsn, tmp_path):
    world, model, _ = hsn
    before = model.tag(world.posts)
    try:
        model.temperature = 3.0
        after = model.tag(world.posts)
        model.save(tmp_path / "model.keras")
    finally:
        model.temperature = 0.7
    assert [one.tags for one in after] == [one.tags for one in before]
    entities = [[entity.score for one in tagged for entity in one.entities] for tagged in (before, after)]
    assert np.mean(np.less(entities[1], entities[0])) > 0.8
    assert load(tmp_path / "model.keras").temperature == 3.0
