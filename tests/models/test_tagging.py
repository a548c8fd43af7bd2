"""`tag`, on models that know twenty posts by heart, and what a file needs to tag."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from layer_harness import to_numpy
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2
from small_corpus import make_world

import mner_keras
from mner_keras import Post
from mner_keras.text.vectors import WordVectors

ROOT = Path(mner_keras.__file__).parents[1]
NAMES = ("hsn", "agban")


@pytest.fixture(scope="module")
def trained(corpus):
    """By name: the world, a model that knows its posts by heart, and what `fit` told of posts that it was tested on."""
    made = {}

    def get(name):
        if name not in made:
            world = make_world(name, corpus)
            model = world.build(loss_reduction="mean")
            model.compile(keras.optimizers.Adam(0.03))
            rng = np.random.default_rng(0)
            # Posts whose tags are wrong here and there, so that the F1 on them is neither 0 nor 1.
            dev = [Post(p.tokens, [t if rng.random() < 0.8 else "O" for t in p.tags], p.image_id) for p in world.posts]
            dev = [Post(d.tokens, d.tags, d.image_id, p.pos) for d, p in zip(dev, world.posts, strict=True)]
            settings = {"features": world.store, "batch_size": 20, "seed": 1, "verbose": 0}
            model.fit(world.posts, epochs=29, **settings)
            history = model.fit(world.posts, validation_data=dev, epochs=30, initial_epoch=29, **settings).history
            made[name] = world, model, history, dev
        return made[name]

    return get


@pytest.mark.parametrize("name", NAMES)
def test_twenty_posts_are_learnt_by_heart(trained, name):
    if keras.backend.backend() == "jax":
        pytest.skip("JAX without its compiler takes seconds for each step")
    world, model, history, dev = trained(name)
    tagged = model.tag(world.posts, world.store)
    assert [t.tags for t in tagged] == [p.tags for p in world.posts]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gold = [list(p.tags) for p in dev]
        expected = f1_score(gold, [list(t.tags) for t in model.tag(dev, world.store)], mode="strict", scheme=IOB2)
    assert 0.3 < expected < 1.0
    assert history["val_f1"] == [pytest.approx(expected, abs=1e-6)]


def test_tag_keeps_the_order_of_the_posts(trained):
    world, model, *_ = trained("agban")
    posts = sorted(world.posts, key=lambda post: (-len(post) % 5, post.tokens))
    tagged = model.tag(posts, world.store, batch_size=3)
    assert [t.post for t in tagged] == posts
    assert [t.tags for t in tagged] == [p.tags for p in posts]
    assert model.tag([], world.store) == []


def test_entities_are_the_spans_of_the_tags_with_scores_that_are_probabilities(trained):
    world, model, *_ = trained("hsn")
    inputs, _ = world.batch()
    marginals = to_numpy(model.crf.marginals(model(inputs)["potentials"], inputs["token_mask"]))
    count = 0
    for row, tagged in enumerate(model.tag(world.posts, world.store)):
        for entity in tagged.entities:
            count += 1
            assert tagged.tags[entity.start] == f"B-{entity.type}"
            assert set(tagged.tags[entity.start + 1 : entity.end]) <= {f"I-{entity.type}"}
            assert entity.text == " ".join(tagged.post.tokens[entity.start : entity.end])
            assert entity.start_char is None
            assert 0 < entity.score <= 1 + 1e-6
            ids = world.preprocessor.tag_ids(tagged.tags[entity.start : entity.end])
            assert entity.score == pytest.approx(
                min(marginals[row, entity.start + i, tag] for i, tag in enumerate(ids)), abs=1e-4
            )
    assert count == sum(tag.startswith("B-") for post in world.posts for tag in post.tags)


def test_plain_text_gets_character_offsets(trained):
    _, model, *_ = trained("agban")
    text = "  Anna saw\u00a0 the New  York !"
    (tagged,) = model.tag([text])
    for entity in tagged.entities:
        assert entity.text == text[entity.start_char : entity.end_char]
        assert text[entity.start_char :].startswith(tagged.post.tokens[entity.start])
        assert text[: entity.end_char].endswith(tagged.post.tokens[entity.end - 1])
    # The spaces inside a name are kept. What joins it at its end is the model's business.
    assert any(entity.text.startswith("New  York") and entity.type == "LOC" for entity in tagged.entities)
    from_text, from_tokens = model.tag(["Anna saw Rome", ["Anna", "saw", "Rome"]])
    assert from_text.tags == from_tokens.tags
    assert from_tokens.entities[0].start_char is None


def test_odd_posts_get_one_tag_a_token(trained):
    odd = [
        ["word"] * 2000,
        ["Rome"],
        ["x" * 5000, "Rome"],
        ["\u00a0", "Anna"],
        ["\U0001f600\U0001f3fd\u200d\U0001f680", "in", "\U0001f1eb\U0001f1f7"],
        ["\u200f\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627"],
        ["\u200b", "\u200e", "\ufeff"],
    ]
    for name in ("hsn", "agban"):
        tagged = trained(name)[1].tag([Post(tokens, pos=["NN"] * len(tokens)) for tokens in odd])
        assert [t.post.tokens for t in tagged] == [tuple(tokens) for tokens in odd]
        assert [len(t.tags) for t in tagged] == [len(tokens) for tokens in odd]


# === The file alone ===

# Before that, each public name is the first thing imported.
TAG_IN_A_FRESH_PROCESS = """
import json, sys
for name in ("FeatureStore", "InputError", "Post", "PostPreprocessor", "load_dataset", "read_vectors"):
    exec(f"from mner_keras import {name}")
    for module in [m for m in sys.modules if m.partition(".")[0].endswith("_keras")]:
        del sys.modules[module]
import mner_keras
post = mner_keras.Post(["Ben", "Cole", "at", "Rome"], pos=["NNP", "NNP", "IN", "NNP"])
for path in sys.argv[1:]:
    tagged = mner_keras.load(path).tag([post])[0]
    entities = [[e.text, e.type, e.start, e.end] for e in tagged.entities]
    print("found", json.dumps({"tags": tagged.tags, "entities": entities}))
"""


def test_the_file_alone_tags_a_post_in_a_fresh_process(trained, tmp_path):
    post = Post(["Ben", "Cole", "at", "Rome"], pos=["NNP", "NNP", "IN", "NNP"])
    paths, expected = [], []
    for name in NAMES:
        model = trained(name)[1]
        paths.append(tmp_path / f"{name}.keras")
        model.save(paths[-1])
        (tagged,) = model.tag([post])
        entities = [[e.text, e.type, e.start, e.end] for e in tagged.entities]
        expected.append({"tags": list(tagged.tags), "entities": entities})
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    command = [sys.executable, "-c", TAG_IN_A_FRESH_PROCESS, *map(str, paths)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert [json.loads(line.removeprefix("found ")) for line in lines if line.startswith("found ")] == expected


def test_an_exported_model_gives_tags(trained, tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("a saved model is TensorFlow's")
    import tensorflow as tf

    world, model, *_ = trained("agban")
    tags, _ = mner_keras.layers.CRFDecode(model.crf)(model.output["potentials"], model.output["mask"])
    keras.Model(model.input, tags).export(tmp_path / "model", verbose=False)
    inputs, expected = world.batch()
    exported = tf.saved_model.load(str(tmp_path / "model"))
    found = exported.serve({key: inputs[key] for key in model.input}).numpy()
    np.testing.assert_array_equal(found, np.where(inputs["token_mask"], expected, 0))


# === Word vectors ===


@pytest.mark.parametrize("name", ["text", "agban"])
def test_a_model_takes_over_the_pretrained_vectors(corpus, name, tmp_path):
    scale = 1e-3
    names = ("rome", "Anna", "saw", "Berlin", "Bonn")
    matrix = np.random.default_rng(0).normal(0, scale, size=(5, 12)).astype("float32")
    world = make_world(name, corpus, WordVectors(names, matrix, "made", "0" * 64, [], 0))
    preprocessor = world.preprocessor
    model = world.build(word_dim=None)
    embedding = model.get_layer("word_embedding")
    table, frozen = to_numpy(embedding.table.value), to_numpy(embedding.frozen_table.value)
    for word, row in (("Rome", 0), ("Anna", 1), ("saw", 2)):
        np.testing.assert_array_equal(table[preprocessor.word_id(word)], matrix[row])
    for word, row in (("Berlin", 3), ("Bonn", 4)):
        np.testing.assert_array_equal(frozen[preprocessor.word_id(word) - preprocessor.vocabulary_size], matrix[row])
    unknown = table[[1, *(preprocessor.word_id(word) for word in ("New", "York", "Ben", "the"))]]
    assert (np.abs(unknown).max(axis=1) > 0).all()
    if name == "agban":
        assert 0.8 * np.sqrt(3 / 12) < np.abs(unknown).max() <= np.sqrt(3 / 12)
    else:
        # The deviation of the vectors loaded, not that of a fresh table.
        assert 0.6 * scale < unknown.std() < 1.5 * scale
    with pytest.raises(ValueError, match="`word_dim` must be the width of the pretrained vectors, 12. Received: .*=7"):
        world.build(word_dim=7)

    model.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
    moved = [Post(["Anna", "Berlin", "Bonn"], ["B-PER", "B-LOC", "O"], None, ["NNP"] * 3)]
    model.train_on_batch(*world.batch(posts=moved))
    model.save(tmp_path / "model.keras")
    loaded = mner_keras.load(tmp_path / "model.keras")
    for one in (model, loaded):
        embedding = one.get_layer("word_embedding")
        np.testing.assert_array_equal(to_numpy(embedding.frozen_table.value), frozen)
        after = to_numpy(embedding.table.value)
        assert np.abs(after - table)[preprocessor.word_id("Anna")].max() > 0
        np.testing.assert_array_equal(after[preprocessor.word_id("saw")], table[preprocessor.word_id("saw")])
    assert loaded.preprocessor.word_id("Berlin") == preprocessor.word_id("Berlin")
