"""TextTagger, HSN and AGBAN as their users meet them."""

import json
import math
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2
from tiny import DIM, KINDS, OBJECTS, REGIONS, make_world

import mner_keras
from mner_keras import Post
from mner_keras.text.word_vectors import WordVectors

ROOT = Path(mner_keras.__file__).parents[1]
EPOCHS = 30

each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    return {kind: make_world(kind, tmp_path_factory.mktemp(kind)) for kind in KINDS}


@pytest.fixture(scope="module")
def trained(worlds):
    """By kind: a model that knows the posts by heart, what `fit` told, and the posts that it was validated on."""
    made = {}

    def get(kind):
        if kind not in made:
            world = worlds[kind]
            model = world.build(loss_reduction="mean")
            model.compile(keras.optimizers.Adam(0.02))
            rng = np.random.default_rng(0)
            # Posts whose tags are wrong here and there, so that the F1 on them is neither 0 nor 1.
            dev = [
                Post(p.tokens, [t if rng.random() < 0.8 else "O" for t in p.tags], p.image_id, p.pos)
                for p in world.posts
            ]
            history = model.fit(
                world.preprocessor.dataset(world.posts, world.store, batch_size=10, shuffle=True, seed=1),
                validation_data=world.preprocessor.dataset(dev, world.store, batch_size=8),
                epochs=EPOCHS,
                verbose=0,
            ).history
            made[kind] = model, history, dev
        return made[kind]

    return get


def seqeval_f1(gold, predicted):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f1_score([list(t) for t in gold], [list(t) for t in predicted], mode="strict", scheme=IOB2)


def to_numpy(value):
    return keras.ops.convert_to_numpy(value)


def potentials_of(model, inputs):
    return to_numpy(model(inputs)["potentials"])


# --- Training ---


@each_kind
def test_twenty_posts_are_learnt_by_heart(worlds, trained, kind):
    model, history, _ = trained(kind)
    world = worlds[kind]
    assert history["loss"][-1] < 0.2 * history["loss"][0] or kind == "agban"
    tagged = model.tag(world.posts, world.store)
    assert [t.tags for t in tagged] == [p.tags for p in world.posts]
    assert seqeval_f1([p.tags for p in world.posts], [t.tags for t in tagged]) == 1.0


@each_kind
def test_fit_tells_f1_of_the_validation_and_none_of_the_training(worlds, trained, kind):
    model, history, dev = trained(kind)
    assert "f1" not in history
    assert len(history["val_f1"]) == len(history["loss"]) == EPOCHS
    predicted = [t.tags for t in model.tag(dev, worlds[kind].store)]
    expected = seqeval_f1([p.tags for p in dev], predicted)
    assert 0.3 < expected < 1.0
    assert history["val_f1"][-1] == pytest.approx(expected, abs=1e-6)


@each_kind
def test_labels_of_padded_tokens_are_not_read(worlds, trained, kind):
    model = trained(kind)[0]
    inputs, tags = worlds[kind].batch()
    expected = model.test_on_batch(inputs, tags, return_dict=True)
    model.reset_metrics()
    changed = np.where(inputs["token_mask"], tags, -100).astype("int32")
    found = model.test_on_batch(inputs, changed, return_dict=True)
    model.reset_metrics()
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert found["f1"] == pytest.approx(expected["f1"], rel=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@each_kind
def test_empty_rows_change_neither_the_loss_nor_the_step(worlds, kind, reduction):
    world = worlds[kind]
    inputs, tags = world.batch(range(5))
    model = world.build(loss_reduction=reduction)
    model.compile(keras.optimizers.SGD(0.05))
    initial = model.get_weights()
    filled = {name: np.pad(array, [(0, 3)] + [(0, 0)] * (array.ndim - 1)) for name, array in inputs.items()}
    results = []
    for batch, targets in ((inputs, tags), (filled, np.pad(tags, ((0, 3), (0, 0))))):
        model.set_weights(initial)
        loss = model.train_on_batch(batch, targets, return_dict=True)["loss"]
        model.reset_metrics()
        results.append((loss, model.get_weights()))
    assert np.isfinite(results[0][0])
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-5)
    for one, other in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_the_sum_over_posts_is_the_mean_times_their_number(worlds):
    world = worlds["text"]
    inputs, tags = world.batch(range(6))
    losses = []
    for reduction in ("mean", "sum"):
        model = world.build(loss_reduction=reduction)
        model.compile("sgd")
        losses.append(model.test_on_batch(inputs, tags, return_dict=True)["loss"])
    assert losses[1] == pytest.approx(6 * losses[0], rel=1e-5)
    with pytest.raises(ValueError, match="`loss_reduction` must be 'mean' or 'sum'. Received: loss_reduction='none'"):
        world.build(loss_reduction="none")


# --- What a model sees, and what it does not ---


@each_kind
def test_a_post_alone_has_the_potentials_that_it_has_in_a_batch(worlds, trained, kind):
    model, world = trained(kind)[0], worlds[kind]
    inputs, _ = world.batch()
    together = potentials_of(model, inputs)
    lengths = [len(post) for post in world.posts]
    assert len(set(lengths)) > 3
    for row in range(8):
        alone = potentials_of(model, world.batch([row])[0])
        assert alone.shape[1] < together.shape[1] or lengths[row] == max(lengths)
        np.testing.assert_allclose(alone[0, : lengths[row]], together[row, : lengths[row]], rtol=1e-5, atol=1e-5)


@each_kind
def test_garbage_under_the_masks_changes_nothing(worlds, trained, kind):
    model, world = trained(kind)[0], worlds[kind]
    inputs, _ = world.batch()
    mask = inputs["token_mask"]
    assert not mask.all()
    expected = potentials_of(model, inputs)[mask]
    garbage = {
        "word_ids": np.where(mask, inputs["word_ids"], 3).astype("int32"),
        "char_ids": np.where(mask[..., None], inputs["char_ids"], 2).astype("int32"),
    }
    if "pos_ids" in inputs:
        garbage["pos_ids"] = np.where(mask, inputs["pos_ids"], 4).astype("int32")
    if kind == "agban":
        there = inputs["visual_mask"]
        assert not there.all()
        garbage["visual_features"] = np.where(there[..., None], inputs["visual_features"], np.float32(1e3))
    if kind == "hsn":
        # Every post has all regions: mask one away, in both batches.
        inputs["visual_mask"] = np.tile([True] * (REGIONS - 1) + [False], (len(mask), 1))
        expected = potentials_of(model, inputs)[mask]
        features = inputs["visual_features"].copy()
        features[:, -1] = 1e3
        garbage["visual_features"] = features
    for name, array in garbage.items():
        found = potentials_of(model, {**inputs, name: array})[mask]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=name)


@each_kind
def test_what_stands_in_valid_positions_does_change_something(worlds, trained, kind):
    """The counterpart of the test above: every input is read."""
    model, world = trained(kind)[0], worlds[kind]
    inputs, _ = world.batch([0, 3, 4])
    expected = potentials_of(model, inputs)
    for name, array in inputs.items():
        if not name.endswith("mask"):
            changed = np.where(array > 0, array[::-1], array) if array.dtype.kind == "i" else array + 1
            assert np.abs(potentials_of(model, {**inputs, name: changed}) - expected).max() > 1e-6, name


def test_the_order_of_the_objects_changes_nothing(worlds, trained):
    model, world = trained("agban")[0], worlds["agban"]
    inputs, _ = world.batch()
    order = [2, 0, 1]
    moved = {
        **inputs,
        "visual_features": inputs["visual_features"][:, order],
        "visual_mask": inputs["visual_mask"][:, order],
    }
    mask = inputs["token_mask"]
    np.testing.assert_allclose(
        potentials_of(model, moved)[mask], potentials_of(model, inputs)[mask], rtol=1e-5, atol=1e-5
    )


def test_agban_reads_no_more_objects_than_it_was_told(worlds):
    world = worlds["agban"]
    model = world.build(num_objects=1)
    inputs, _ = world.batch([0, 4, 6])
    fewer = {**inputs, "visual_features": inputs["visual_features"][:, :1], "visual_mask": inputs["visual_mask"][:, :1]}
    np.testing.assert_allclose(potentials_of(model, inputs), potentials_of(model, fewer), rtol=1e-5, atol=1e-6)


def test_agban_sees_no_object_in_a_post_without_a_picture(worlds, trained):
    model, world = trained("agban")[0], worlds["agban"]
    rows = [1, 2, 5]  # no picture; a picture that the store does not hold; no picture
    inputs, _ = world.batch(rows)
    assert not inputs["visual_mask"].any()
    bare = [Post(world.posts[row].tokens, image_id=None) for row in rows]
    without = world.batch(posts=bare)[0]
    expected = potentials_of(model, inputs)[inputs["token_mask"]]
    np.testing.assert_allclose(potentials_of(model, without)[without["token_mask"]], expected, rtol=1e-5, atol=1e-6)
    empty = {**inputs, "visual_features": np.zeros((3, 0, DIM), "float32"), "visual_mask": np.zeros((3, 0), bool)}
    np.testing.assert_allclose(potentials_of(model, empty)[inputs["token_mask"]], expected, rtol=1e-5, atol=1e-6)


def test_hsn_sees_the_blank_pictures_regions_in_a_post_without_a_picture(worlds, trained):
    model, world = trained("hsn")[0], worlds["hsn"]
    rows = [1, 2, 5]
    inputs, _ = world.batch(rows)
    blank = {
        **inputs,
        "visual_features": np.full((3, REGIONS, DIM), 0.25, "float32"),
        "visual_mask": np.ones((3, REGIONS), bool),
    }
    np.testing.assert_array_equal(potentials_of(model, inputs), potentials_of(model, blank))
    # Without any store as well: the encoder keeps the blank picture.
    bare = [world.posts[row] for row in rows]
    tagged = model.tag(bare)
    with_store = model.tag(bare, world.store)
    assert tagged == with_store


@pytest.mark.parametrize("kind", ["hsn", "agban"])
def test_everything_visual_masked_gives_finite_potentials_and_gradients(worlds, kind):
    world = worlds[kind]
    inputs, tags = world.batch(range(4))
    inputs["visual_mask"] = np.zeros_like(inputs["visual_mask"])
    model = world.build()
    model.compile(keras.optimizers.SGD(0.01))
    assert np.isfinite(potentials_of(model, inputs)).all()
    assert np.isfinite(model.train_on_batch(inputs, tags, return_dict=True)["loss"])
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


# --- `tag` and `predict` ---


@each_kind
def test_tag_keeps_the_order_of_the_posts(worlds, trained, kind):
    model, world = trained(kind)[0], worlds[kind]
    posts = sorted(world.posts, key=lambda post: (-len(post) % 5, post.tokens))
    tagged = model.tag(posts, world.store, batch_size=3)
    assert [t.post for t in tagged] == posts
    assert [t.tags for t in tagged] == [p.tags for p in posts]
    assert model.tag([], world.store) == []


@each_kind
def test_entities_are_the_spans_of_the_tags_with_scores_that_are_probabilities(worlds, trained, kind):
    model, world = trained(kind)[0], worlds[kind]
    inputs, _ = world.batch()
    marginals = to_numpy(model.crf.marginals(model(inputs)["potentials"], inputs["token_mask"]))
    count = 0
    for row, tagged in enumerate(model.tag(world.posts, world.store)):
        assert len(tagged.tags) == len(tagged.post)
        for entity in tagged.entities:
            count += 1
            assert tagged.tags[entity.start] == f"B-{entity.type}"
            assert set(tagged.tags[entity.start + 1 : entity.end]) <= {f"I-{entity.type}"}
            assert entity.text == " ".join(tagged.post.tokens[entity.start : entity.end])
            assert entity.start_char is None
            assert 0 < entity.score <= 1 + 1e-6
            ids = world.preprocessor.tag_ids(tagged.tags[entity.start : entity.end])
            expected = min(marginals[row, entity.start + i, tag] for i, tag in enumerate(ids))
            assert entity.score == pytest.approx(expected, abs=1e-4)
    assert count == sum(tag.startswith("B-") for post in world.posts for tag in post.tags)


@each_kind
def test_plain_text_gets_character_offsets(worlds, trained, kind):
    model = trained(kind)[0]
    text = "  Ann saw\u00a0 the New  York City !"
    fields = {} if kind == "agban" else {"pos": ("NNP", "VBD", "DT", "NNP", "NNP", "NNP", ".")}
    tagged = model.tag([Post.from_text(text, **fields)])[0]
    assert tagged.entities
    for entity in tagged.entities:
        assert entity.text == text[entity.start_char : entity.end_char]
        assert text[entity.start_char :].startswith(tagged.post.tokens[entity.start])
        assert text[: entity.end_char].endswith(tagged.post.tokens[entity.end - 1])
    names = {(entity.text, entity.type) for entity in tagged.entities}
    assert ("Ann", "PER") in names
    # Several spaces stay; whether the unknown "!" belongs to the name is the model's guess.
    assert any(name.startswith("New  York City") and kind == "LOC" for name, kind in names)


def test_strings_and_lists_of_tokens_are_posts(trained):
    model = trained("agban")[0]
    from_text, from_tokens = model.tag(["Ann saw Rome", ["Ann", "saw", "Rome"]])
    assert from_text.tags == from_tokens.tags
    assert from_text.entities[0].start_char == 0
    assert from_tokens.entities[0].start_char is None


@each_kind
def test_odd_posts_get_one_tag_a_token(trained, kind):
    model = trained(kind)[0]
    odd = [
        ["word"] * 2000,
        ["Ann"],
        ["x" * 5000, "Rome"],
        ["\u00a0", "Ann"],
        ["\U0001f600\U0001f3fd\u200d\U0001f680", "in", "\U0001f1eb\U0001f1f7"],
        ["\u200f\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627"],
        ["\u200b", "\u200e", "\ufeff"],
    ]
    tagged = model.tag([Post(tokens, pos=["NN"] * len(tokens)) for tokens in odd])
    assert [len(t.tags) for t in tagged] == [len(tokens) for tokens in odd]
    assert [t.post.tokens for t in tagged] == [tuple(tokens) for tokens in odd]
    assert tagged[1].tags == ("B-PER",)


@each_kind
def test_predict_gives_the_potentials_of_a_data_set_and_of_arrays(worlds, trained, kind):
    model, world = trained(kind)[0], worlds[kind]
    inputs, _ = world.batch()
    expected = potentials_of(model, inputs)
    from_data = model.predict(world.preprocessor.dataset(world.posts, world.store, batch_size=6))
    from_arrays = model.predict(inputs, batch_size=6)
    assert from_data.shape == expected.shape == from_arrays.shape
    mask = inputs["token_mask"]
    np.testing.assert_allclose(from_data[mask], expected[mask], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(from_arrays[mask], expected[mask], rtol=1e-5, atol=1e-5)


def test_tag_without_an_encoder_says_what_to_do():
    from mner_keras.baselines.text_tagger import TextTagger

    model = TextTagger(3, 10, 10, word_dim=4, char_dim=4, pos_dim=4, hidden_dim=8)
    with pytest.raises(ValueError, match="`tag` needs a model with an encoder"):
        model.tag(["Ann"])


# --- Files ---


@each_kind
def test_a_loaded_model_is_the_model(worlds, trained, kind, tmp_path):
    model, world = trained(kind)[0], worlds[kind]
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = mner_keras.load(path)
    assert type(loaded) is type(model)
    assert loaded.get_config() == model.get_config()
    inputs, tags = world.batch()
    np.testing.assert_allclose(potentials_of(loaded, inputs), potentials_of(model, inputs), rtol=1e-5, atol=1e-6)
    assert loaded.tag(world.posts, world.store) == model.tag(world.posts, world.store)
    assert len(loaded.optimizer.variables) == len(model.optimizer.variables)
    for before, after in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(before.value), to_numpy(after.value), err_msg=before.path)
    # It trains on, as compiled, to the same weights.
    copies = []
    initial = model.get_weights(), [to_numpy(variable.value) for variable in model.optimizer.variables]
    for one in (model, loaded):
        one.train_on_batch(inputs, tags)
        one.reset_metrics()
        copies.append(one.get_weights())
    model.set_weights(initial[0])
    for variable, value in zip(model.optimizer.variables, initial[1], strict=True):
        variable.assign(value)
    for one, other in zip(*copies, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@each_kind
def test_no_file_inside_a_saved_model_can_run_code(trained, kind, tmp_path):
    path = tmp_path / "model.keras"
    trained(kind)[0].save(path)
    with zipfile.ZipFile(path) as archive:
        files = [name for name in archive.namelist() if not name.endswith("/")]
        assert {Path(name).suffix for name in files} == {".json", ".h5"}
        for name in files:
            content = archive.read(name)
            assert content.startswith(b"{" if name.endswith(".json") else b"\x89HDF"), name
        config = archive.read("config.json").decode()
    assert "__lambda__" not in config
    assert "pickle" not in config


TAG_IN_A_FRESH_PROCESS = """
import json, sys
import mner_keras
model = mner_keras.load(sys.argv[1])
post = mner_keras.Post(["Bob", "Lee", "in", "Rome"], pos=["NNP", "NNP", "IN", "NNP"])
tagged = model.tag([post])[0]
print(json.dumps({"tags": tagged.tags, "entities": [[e.text, e.type, e.start, e.end] for e in tagged.entities]}))
"""


def test_the_file_alone_tags_a_post_in_a_fresh_process(trained, tmp_path):
    processes = {}
    for kind in KINDS:
        folder = tmp_path / f"{kind} elsewhere"
        folder.mkdir()
        path = tmp_path / f"{kind}.keras"
        trained(kind)[0].save(path)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": keras.backend.backend()}
        processes[kind] = subprocess.Popen(
            [sys.executable, "-c", TAG_IN_A_FRESH_PROCESS, str(path)],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    post = Post(["Bob", "Lee", "in", "Rome"], pos=["NNP", "NNP", "IN", "NNP"])
    for kind, process in processes.items():
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-2000:]
        answer = json.loads(output.strip().splitlines()[-1])
        expected = trained(kind)[0].tag([post])[0]
        assert tuple(answer["tags"]) == expected.tags
        assert answer["entities"] == [[e.text, e.type, e.start, e.end] for e in expected.entities]


@pytest.mark.parametrize(
    "name", ["FeatureStore", "InputError", "Post", "PostPreprocessor", "load_dataset", "read_vectors"]
)
def test_a_public_name_can_be_the_first_thing_imported(name):
    done = subprocess.run(
        [sys.executable, "-c", f"from mner_keras import {name}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-500:]


@each_kind
def test_every_argument_is_in_the_config(worlds, kind):
    import inspect

    model = worlds[kind].build()
    signature = inspect.signature(type(model).__init__).parameters
    assert [name for name in signature if name != "self" and name not in model.get_config()] == []
    again = type(model).from_config(json.loads(json.dumps(model.get_config())))
    assert again.get_config() == model.get_config()


# --- Word vectors ---


def vectors_of(words, scale, dim=12):
    matrix = np.random.default_rng(0).normal(0, scale, size=(len(words), dim)).astype("float32")
    return WordVectors(tuple(words), matrix, source="made", sha256="0" * 64, broken_lines=[], num_broken=0)


@each_kind
def test_from_encoder_takes_over_the_word_vectors(kind, tmp_path):
    scale = 1e-3
    vectors = vectors_of(["rome", "Ann", "saw", "Berlin", "Bonn"], scale)
    world = make_world(kind, tmp_path, vectors)
    preprocessor = world.preprocessor
    model = world.build()
    embedding = model.get_layer("word_embedding")
    table = to_numpy(embedding.table.value)
    frozen = to_numpy(embedding.frozen_table.value)
    assert model.word_dim == 12
    for word, row in (("Rome", 0), ("Ann", 1), ("saw", 2)):
        np.testing.assert_array_equal(table[preprocessor.word_id(word)], vectors.matrix[row])
    for word, row in (("Berlin", 3), ("Bonn", 4)):
        index = preprocessor.word_id(word) - preprocessor.vocabulary_size
        assert index >= 0
        np.testing.assert_array_equal(frozen[index], vectors.matrix[row])
    unknown = table[[1, *(preprocessor.word_id(word) for word in ("New", "York", "Acme", "the"))]]
    assert (np.abs(unknown).max(axis=1) > 0).all()
    if kind == "agban":
        limit = math.sqrt(3 / 12)
        assert np.abs(unknown).max() <= limit
        assert np.abs(unknown).max() > 0.8 * limit
    else:
        # The deviation of the vectors loaded, not that of a fresh table.
        assert 0.6 * scale < unknown.std() < 1.5 * scale

    assert all(variable is not embedding.frozen_table for variable in model.trainable_variables)
    model.compile(keras.optimizers.SGD(0.5))
    moved = [Post(["Ann", "Berlin", "Bonn"], ["B-PER", "B-LOC", "O"], None, ["NNP"] * 3)]
    model.train_on_batch(*world.batch(posts=moved))
    np.testing.assert_array_equal(to_numpy(embedding.frozen_table.value), frozen)
    after = to_numpy(embedding.table.value)
    assert np.abs(after - table)[preprocessor.word_id("Ann")].max() > 0
    np.testing.assert_array_equal(after[preprocessor.word_id("saw")], table[preprocessor.word_id("saw")])


def test_the_frozen_table_is_in_the_file(tmp_path):
    vectors = vectors_of(["Berlin", "Bonn"], 1.0)
    world = make_world("text", tmp_path, vectors)
    model = world.build()
    model.save(tmp_path / "model.keras")
    loaded = mner_keras.load(tmp_path / "model.keras")
    frozen = to_numpy(loaded.get_layer("word_embedding").frozen_table.value)
    np.testing.assert_array_equal(frozen, vectors.matrix)
    assert loaded.preprocessor.word_id("Berlin") == world.preprocessor.word_id("Berlin")


# --- AGBAN's game ---


@pytest.mark.equation("AGBAN 22", "AGBAN 23")
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_the_classifier_moves_on_every_eighth_step_and_the_projectors_on_all(worlds, optimizer):
    world = worlds["agban"]
    inputs, tags = world.batch(range(6))
    model = world.build()
    assert model.classifier_every == 8
    model.compile(getattr(keras.optimizers, optimizer)(0.01))
    classifier, others = (
        model.get_layer("modality_classifier"),
        [model.get_layer("visual_projector"), model.get_layer("bilstm")],
    )

    def snapshot(layer):
        return [to_numpy(variable.value) for variable in layer.trainable_variables]

    moved = []
    for step in range(1, 18):
        before = snapshot(classifier), [snapshot(layer) for layer in others]
        model.train_on_batch(inputs, tags)
        if any((a != b).any() for a, b in zip(before[0], snapshot(classifier), strict=True)):
            moved.append(step)
        for layer, values in zip(others, before[1], strict=True):
            kernel = values[0], snapshot(layer)[0]
            assert (kernel[0] != kernel[1]).any(), (layer.name, step)
    assert moved == [8, 16]


@pytest.mark.equation("AGBAN 23")
def test_classifier_every_one_moves_the_classifier_always(worlds):
    world = worlds["agban"]
    inputs, tags = world.batch(range(6))
    model = world.build(classifier_every=1)
    model.compile(keras.optimizers.SGD(0.01))
    classifier = model.get_layer("modality_classifier")
    for _ in range(3):
        before = to_numpy(classifier.trainable_variables[0].value)
        model.train_on_batch(inputs, tags)
        assert (to_numpy(classifier.trainable_variables[0].value) != before).any()
    with pytest.raises(ValueError, match="`classifier_every` must be at least 1. Received: classifier_every=0"):
        world.build(classifier_every=0)


def adversarial_loss_by_hand(model, inputs):
    """Equation 8 of each post, from the logits."""
    logits = to_numpy(model(inputs)["modality_logits"]).astype("float64")
    tokens = inputs["token_mask"].shape[1]
    losses = []
    for row in range(len(logits)):
        terms = []
        for place in range(logits.shape[1]):
            is_text = place < tokens
            mask = inputs["token_mask"][row, place] if is_text else inputs["visual_mask"][row, place - tokens]
            if mask:
                d = 1 / (1 + math.exp(logits[row, place, 0] - logits[row, place, 1]))
                terms.append(-math.log(d if is_text else 1 - d))
        losses.append(sum(terms) / len(terms))
    return losses


@pytest.mark.equation("AGBAN 8")
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_is_the_crfs_and_the_classifiers(worlds, reduction):
    world = worlds["agban"]
    inputs, tags = world.batch(range(6))
    model = world.build(loss_reduction=reduction)
    model.compile("sgd")
    reduce = np.mean if reduction == "mean" else np.sum
    crf = -to_numpy(model.crf.log_likelihood(model(inputs)["potentials"], tags, inputs["token_mask"]))
    logs = model.test_on_batch(inputs, tags, return_dict=True)
    assert logs["crf_loss"] == pytest.approx(reduce(crf), rel=1e-4)
    assert logs["adversarial_loss"] == pytest.approx(reduce(adversarial_loss_by_hand(model, inputs)), rel=1e-4)
    assert logs["loss"] == pytest.approx(logs["crf_loss"] + logs["adversarial_loss"], rel=1e-5)


def test_without_the_adversary_there_is_no_classifier(worlds):
    world = worlds["agban"]
    model = world.build(adversarial=False)
    model.compile("sgd")
    inputs, tags = world.batch(range(4))
    assert not {"modality_logits", "modality_mask"} & set(model.output)
    assert "adversarial_loss" not in model.test_on_batch(inputs, tags, return_dict=True)


@pytest.mark.equation("AGBAN 25")
def test_the_schedule_counts_the_steps_of_fit(worlds):
    world = worlds["agban"]
    model = world.build()
    model.compile(keras.optimizers.SGD(0.001))
    data = world.preprocessor.dataset(world.posts, world.store, batch_size=8, shuffle=True, seed=0)
    reversal = model.get_layer("gradient_reversal")
    model.fit(data, validation_data=data, epochs=2, verbose=0)
    assert float(to_numpy(reversal.step.value)) == 6.0
    assert float(to_numpy(reversal.total_steps.value)) == 6.0
    assert float(to_numpy(reversal.current_strength())) == pytest.approx(2 / (1 + math.exp(-10)) - 1, abs=1e-6)


@pytest.mark.equation("AGBAN 22")
def test_the_reversed_gradient_reaches_the_projectors_with_minus_lambda(worlds):
    """Without any weight on the CRF's loss, one step of the projector is lambda times the step of a model without
    reversal, and the other way."""
    world = worlds["agban"]
    inputs, tags = world.batch(range(6))
    steps = {}
    for strength in (0.0, 0.5, 1.0):
        model = world.build(reversal=strength)
        model.compile(keras.optimizers.SGD(0.01))
        kernel = model.get_layer("visual_projector").trainable_variables[0]
        before = to_numpy(kernel.value)
        model.train_on_batch(inputs, tags)
        steps[strength] = to_numpy(kernel.value) - before
    half, whole = steps[0.5] - steps[0.0], steps[1.0] - steps[0.0]
    assert np.abs(whole).max() > 1e-6
    np.testing.assert_allclose(2 * half, whole, rtol=1e-5, atol=1e-6)


def test_fit_takes_callbacks_as_keras_does_one_by_itself_too(worlds, monkeypatch):
    from agban_keras.reversal_schedule import ReversalSchedule

    model, stop = worlds["agban"].build(), keras.callbacks.EarlyStopping("val_f1", mode="max")
    # What reaches Keras; nothing is trained.
    monkeypatch.setattr(mner_keras.Tagger, "fit", lambda self, callbacks=None: callbacks)
    for given, expected in ((None, []), (stop, [stop]), ([stop], [stop]), ((stop, [stop]), [stop, stop])):
        schedule, *others = model.fit(callbacks=given)
        assert isinstance(schedule, ReversalSchedule)
        assert others == expected


def test_objects_are_at_most_as_many_as_the_encoder_reads(worlds):
    assert worlds["agban"].build().num_objects == OBJECTS
