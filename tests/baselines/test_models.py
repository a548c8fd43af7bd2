"""The systems that the papers compare with, as their users meet them."""

import keras
import numpy as np
import pytest
from layer_harness import to_numpy
from mner_keras.run.optimizer import make_optimizer
from tiny import BASELINES, make_world

import mner_keras
from mner_keras import Post
from mner_keras.registry import MODELS
from mner_keras.run.config import RunConfig

WITH_PICTURE = [name for name, kind in BASELINES.items() if kind == "hsn"]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    return {kind: make_world(kind, tmp_path_factory.mktemp(kind)) for kind in ("text", "hsn")}


@pytest.mark.parametrize("name", BASELINES)
def test_twenty_posts_are_learnt_by_heart_and_the_file_knows_them(worlds, name, tmp_path):
    world = worlds[BASELINES[name]]
    model = world.build(name)
    model.compile(keras.optimizers.Adam(0.02))
    inputs, tags = world.batch()
    # One step elsewhere: JAX without its compiler takes seconds for each.
    by_heart = keras.backend.backend() == "tensorflow"
    before = model.get_weights()
    for _ in range(40 if by_heart else 1):
        assert np.isfinite(model.train_on_batch(inputs, tags))
    moved = [np.abs(after - initial).max() > 0 for initial, after in zip(before, model.get_weights(), strict=True)]
    assert sum(moved) >= 0.8 * len(moved)
    model.save(tmp_path / "model.keras")
    loaded = mner_keras.load(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    assert loaded.get_config() == model.get_config()
    # The same posts without their pictures besides.
    posts = world.posts if by_heart else world.posts[:3]
    bare = [Post(post.tokens, pos=post.pos) for post in posts]
    tagged = loaded.tag([*posts, *bare], world.store)
    if by_heart:
        assert [t.tags for t in tagged[: len(posts)]] == [post.tags for post in posts]
    assert [len(t.tags) for t in tagged] == [len(post) for post in (*posts, *bare)]


@pytest.mark.parametrize("name", WITH_PICTURE)
def test_the_picture_is_read_and_may_be_missing(worlds, name):
    world = worlds["hsn"]
    # In one region a softmax over regions would have no say; in the words' own score neither.
    model = world.build(name, **({"score": "joint"} if name in ("adaptive-co-attention", "vam") else {}))
    inputs, tags = world.batch([0, 3, 4])
    expected = to_numpy(model(inputs)["potentials"])
    changed = {**inputs, "visual_features": inputs["visual_features"][::-1] + 1}
    assert np.abs(to_numpy(model(changed)["potentials"]) - expected).max() > 1e-5
    for masked in (
        {**inputs, "visual_mask": np.zeros_like(inputs["visual_mask"])},
        {**inputs, "visual_features": np.zeros((3, 0, 6), "float32"), "visual_mask": np.zeros((3, 0), bool)},
    ):
        assert np.isfinite(to_numpy(model(masked)["potentials"])).all()
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    inputs["visual_mask"] = np.zeros_like(inputs["visual_mask"])
    assert np.isfinite(model.train_on_batch(inputs, tags, return_dict=True)["loss"])
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_the_singletons_are_those_of_the_encoder(worlds):
    world = worlds["text"]
    preprocessor = world.preprocessor
    tokens = [token for post in world.posts for token in post.tokens]
    assert preprocessor.num_singletons == sum(tokens.count(word) == 1 for word in preprocessor.words)
    assert all(
        tokens.count(word) == 1 for word in preprocessor.words[len(preprocessor.words) - preprocessor.num_singletons :]
    )
    assert type(preprocessor).from_config(preprocessor.get_config()).num_singletons == preprocessor.num_singletons
    model = world.build("bilstm-crf", unknown_rate=0.5)
    layer = model.get_layer("singleton_dropout")
    assert (layer.vocabulary_size, layer.num_singletons, layer.rate) == (
        preprocessor.vocabulary_size,
        preprocessor.num_singletons,
        0.5,
    )


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("adaptive-co-attention", {"score": "sum"}, "`score` must be 'concatenate' or 'joint'. Received: score='sum'"),
        ("vam", {"score": "concatenate"}, "`score` must be 'sum' or 'joint'. Received: score='concatenate'"),
        ("disan", {"scale": 0.0}, "`scale` must be above 0. Received: scale=0.0"),
        ("mner-ma", {"modality_dim": 0}, "`modality_dim` must be at least 1. Received: modality_dim=0"),
        ("vam", {"dropout": -1}, "`dropout` must be a number of at least 0 and below 1. Received: dropout=-1"),
        ("cnn-bilstm-crf", {"hidden_dim": 1}, "`hidden_dim` must be at least 2. Received: hidden_dim=1"),
        ("bilstm-crf", {"unknown_rate": 1.5}, "`unknown_rate` must be a number of at least 0 and below 1. Received: "),
    ],
)
def test_a_model_names_the_argument_that_it_cannot_take(worlds, name, arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        worlds[BASELINES[name]].build(name, **arguments)


def test_momentum_and_clipping_reach_the_optimiser():
    optimizer = make_optimizer(RunConfig.for_model("cnn-bilstm-crf"), 7)
    assert (optimizer.momentum, optimizer.global_clipnorm) == (0.9, 5.0)
    assert float(optimizer.learning_rate) == pytest.approx(0.015)
    config = RunConfig.for_model("cnn-bilstm-crf", optimizer="adam")
    assert (config.momentum, config.gradient_clip) == (0.0, 5.0)
    assert make_optimizer(config, 7).global_clipnorm == 5.0
    assert make_optimizer(RunConfig.for_model("hsn"), 7).global_clipnorm is None
    with pytest.raises(mner_keras.InputError, match="the optimiser 'adam' cannot be built: "):
        make_optimizer(RunConfig.for_model("hsn", momentum=0.5), 7)


def test_warm_up_rises_and_falls_to_nothing():
    config = RunConfig.for_model("bert-ner", epochs=4)
    optimizer = make_optimizer(config, 5)
    assert isinstance(optimizer, keras.optimizers.AdamW) and optimizer.weight_decay == 0.01
    settings = keras.optimizers.serialize(optimizer)["config"]["learning_rate"]
    schedule = keras.optimizers.schedules.deserialize(settings)
    # Two of twenty steps up, the others down.
    found = [float(schedule(step)) / config.learning_rate for step in range(21)]
    np.testing.assert_allclose(found, [0.5, 1.0, *(1 - i / 18 for i in range(19))][:21], rtol=1e-5, atol=1e-7)
    # Keras' own default for AdamW is another.
    assert make_optimizer(RunConfig.for_model("bert-ner", weight_decay=0.0), 5).weight_decay == 0.0
    assert RunConfig.for_model("bert-ner", optimizer="adam").warmup == 0.0
    for settings, message in (
        ({"warmup": 1.0}, "`warmup` must be a share of all steps, at least 0 and below 1, found 1.0"),
        ({"learning_rate_decay": 0.05}, "`warmup` and `learning_rate_decay` exclude each other"),
    ):
        with pytest.raises(mner_keras.InputError, match=f"^{message}"):
            RunConfig.for_model("bert-ner", **settings)


def test_the_registry_has_them_all():
    assert set(BASELINES) <= set(MODELS)
