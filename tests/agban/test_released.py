"""`ReleasedAGBAN` against the released module, written anew in PyTorch, and what does not need PyTorch to be told."""

import itertools
import re

import keras
import numpy as np
import pytest
from keras import ops
from layer_harness import to_numpy
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2
from small_corpus import make_world

from agban_keras import ReleasedAGBAN
from agban_keras.layers import ReleasedCRF
from agban_keras.released import begin_uniformly
from mner_keras import load
from mner_keras.data import PostPreprocessor
from mner_keras.layers import BiLSTM
from mner_keras.vision.visual_input import MASK_RCNN_OBJECTS

CHARACTERS = 9
SMALL = dict(word_dim=12, char_dim=6, char_hidden_dim=8, hidden_dim=24, rank=4)
NO_DROPOUT = dict(dropout=0.0, attention_dropout=0.0)


# --- The arrays of the released module ---


def released_shapes(glimpses=1):
    """Names and shapes, for 300 words, 60 characters and 12 scores a token."""
    shapes = {"char_embeddings.weight": (60, 30), "word_embeddings.weight": (300, 200)}
    for name, inputs, units in (("char_lstm", 30, 25), ("word_lstm", 250, 100)):
        for end in ("l0", "l0_reverse"):
            shapes[f"{name}.weight_ih_{end}"] = (4 * units, inputs)
            shapes[f"{name}.weight_hh_{end}"] = (4 * units, units)
            shapes[f"{name}.bias_ih_{end}"] = shapes[f"{name}.bias_hh_{end}"] = (4 * units,)
    shapes["v_att.logits.h_bias"] = (1, glimpses, 1, 1)
    shapes["v_att.logits.h_mat_g"] = ()
    shapes["v_att.logits.h_mat_v"] = (1, glimpses, 1, 600)
    nets = [("v_att.logits.v_net.main.1", 600, 200), ("v_att.logits.q_net.main.1", 600, 200)]
    for g in range(glimpses):
        nets += [(f"b_net.{g}.main.1", 200, 200), (f"g_t_prj.{g}.main.0", 200, 200)]
        nets += [(f"g_v_prj.{g}.main.0", 200, 200), (f"g_prj.{g}.main.0", 200, 400)]
    for name, outputs, inputs in nets:
        shapes[f"{name}.bias"], shapes[f"{name}.weight_g"] = (outputs,), ()
        shapes[f"{name}.weight_v"] = (outputs, inputs)
    linear = [("hidden2tag", 12, 200), ("map_to_text.0", 512, 1024), ("map_to_text.3", 256, 512)]
    linear += [("map_to_text.6", 200, 256), ("modal_clf.0", 100, 200), ("modal_clf.3", 50, 100), ("modal_clf.6", 2, 50)]
    for name, outputs, inputs in linear:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (outputs, inputs), (outputs,)
    norms = {"cat_bn": 200, "map_to_text.1": 512, "map_to_text.4": 256, "modal_clf.1": 100, "modal_clf.4": 50}
    for name, width in norms.items():
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (width,)
        shapes[f"{name}.num_batches_tracked"] = ()
    return {**shapes, "crf.transitions": (12, 12), "modal_clf_loss.weight": (2,)}


def forbid(transitions):
    transitions[:, 10] = transitions[11] = transitions[:, 0] = transitions[0] = -10000.0
    return transitions


def random_state(glimpses=1, seed=0):
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, shape in released_shapes(glimpses).items():
        if name.endswith("num_batches_tracked"):
            arrays[name] = np.array(7)
        elif name.endswith(("running_var", "weight_g", "h_mat_g")):
            arrays[name] = rng.uniform(0.5, 2.0, shape) * (8.0 if name.endswith("_g") else 1.0)
        elif name == "modal_clf_loss.weight":
            arrays[name] = np.array([64439, 12000]) / 76439
        elif name == "crf.transitions":
            arrays[name] = forbid(rng.normal(size=shape))
        else:
            arrays[name] = rng.normal(size=shape) * (shape[-1] ** -0.5 if len(shape) > 1 else 0.3)
            arrays[name] *= 3.0 if "lstm.weight" in name else 1.0
    # What the tokens share stays small beside what they differ by, so that their tags differ too.
    arrays["cat_bn.running_var"] /= 20
    arrays["cat_bn.running_mean"] /= 20
    arrays["cat_bn.bias"] /= 20
    return {
        name: np.asarray(array, array.dtype if array.dtype.kind == "i" else "float32") for name, array in arrays.items()
    }


def random_batch(lengths=(7, 4, 1, 5, 2), counts=(3, 1, 0, 2, 3), seed=1):
    rng = np.random.default_rng(seed)
    n = max(lengths)
    mask = np.arange(n) < np.array(lengths)[:, None]
    spelt = np.arange(CHARACTERS) < rng.integers(1, CHARACTERS + 1, size=(*mask.shape, 1))
    there = np.arange(3) < np.array(counts)[:, None]
    batch = {
        "word_ids": np.where(mask, rng.integers(1, 300, mask.shape), 0).astype("int32"),
        "char_ids": np.where(spelt & mask[..., None], rng.integers(1, 60, spelt.shape), 0).astype("int32"),
        "token_mask": mask,
        "visual_features": (rng.normal(size=(*there.shape, 1024)) * there[..., None]).astype("float32"),
        "visual_mask": there,
    }
    return batch, rng.integers(0, 9, mask.shape).astype("int32")


def build(**arguments):
    """A model of the released sizes, its tags in the released order."""
    preprocessor = PostPreprocessor(
        [f"w{i}" for i in range(298)],
        [chr(200 + i) for i in range(58)],
        ["PER", "LOC", "OTHER", "ORG"],
        use_pos=False,
        max_characters=CHARACTERS,
        visual=MASK_RCNN_OBJECTS,
    )
    return ReleasedAGBAN(preprocessor, **arguments)


# --- Against PyTorch ---


@pytest.mark.parametrize("glimpses", [1, 2])
def test_a_loaded_state_computes_what_the_released_module_computes(glimpses):
    torch = pytest.importorskip("torch")
    from released_oracle import Released

    state = random_state(glimpses)
    batch, tags = random_batch()
    lengths = batch["token_mask"].sum(1)
    module = Released(glimpses=glimpses).load(state).eval()
    with torch.no_grad():
        scores, attention, textual, visual = module(batch)
        crf_losses = module.crf.losses(scores, lengths, tags + 1)
        paths = module.crf.decode(scores, lengths)
    assert len({label for path in paths for label in path}) > 4

    model = build(glimpses=glimpses)
    model.load_released_state(state)
    outputs = model(batch)
    np.testing.assert_allclose(to_numpy(outputs["potentials"]), scores.numpy(), atol=1e-4)
    np.testing.assert_allclose(model.predict(batch)["potentials"], scores.numpy(), atol=1e-4)
    np.testing.assert_allclose(to_numpy(outputs["attention"]), attention.numpy(), atol=1e-4)
    assert attention.numpy().std() > 0.01
    model.compile("sgd")
    logs = model.test_on_batch(batch, tags, return_dict=True)
    losses = {"crf_loss": float(crf_losses.sum()), "textual_loss": float(textual), "visual_loss": float(visual)}
    losses["loss"] = sum(losses.values())
    assert {name: logs[name] for name in losses} == pytest.approx(losses, abs=1e-4, rel=1e-5)
    decoded = model.decode(batch)
    for row, path in enumerate(paths):
        expected = [label - 1 if 1 <= label <= 9 else 0 for label in path]
        assert decoded[row].tolist() == expected + [0] * (len(decoded[row]) - len(path))


def test_one_training_step_is_the_released_modules():
    """Without dropout and with lambda 1: losses, every gradient, and the statistics of the batch."""
    torch = pytest.importorskip("torch")
    from released_oracle import Released

    state = random_state(seed=2)
    batch, tags = random_batch(seed=3)
    module = Released().load(state).train()
    seen = {}  # Keras' moving variance is made of biased variances, PyTorch's of unbiased ones.
    for name, part in module.named_modules():
        if isinstance(part, torch.nn.BatchNorm1d):
            keep = seen.setdefault(f"{name}.running_var", [])
            part.register_forward_pre_hook(
                lambda _, x, keep=keep: keep.append(x[0].transpose(0, 1).flatten(1).var(1, unbiased=False))
            )
    optimizer = torch.optim.SGD(module.parameters(), 0.005)
    scores, _, textual, visual = module(batch)
    crf_loss = module.crf.losses(scores, batch["token_mask"].sum(1), tags + 1).sum()
    (crf_loss + textual + visual).backward()
    optimizer.step()
    crf_loss, textual, visual = (loss.item() for loss in (crf_loss, textual, visual))

    model = build(reversal=1.0, **NO_DROPOUT)
    model.load_released_state(state)
    model.compile(keras.optimizers.SGD(0.005), run_eagerly=True)
    logs = model.train_on_batch(batch, tags, return_dict=True)
    losses = {"crf_loss": crf_loss, "textual_loss": textual, "visual_loss": visual}
    assert {name: logs[name] for name in losses} == pytest.approx(losses, rel=1e-5)

    after = module.arrays()
    for name, variances in seen.items():
        after[name] = state[name].astype("float64")
        for variance in variances:
            after[name] = 0.9 * after[name] + 0.1 * variance.detach().numpy()
    for name in after:
        if ".bias_hh_" in name:  # The sum of two biases moves twice as far as the one of Keras.
            after[name] = state[name]
    assert [len(seen[f"{name}.running_var"]) for name in ("cat_bn", "map_to_text.1", "modal_clf.1")] == [1, 1, 2]
    expected = build(reversal=1.0)
    expected.load_released_state(state)
    before = {weight.path: to_numpy(weight) for weight in expected.weights}
    expected.load_released_state(after)
    moved = 0
    for weight, other in zip(model.weights, expected.weights, strict=True):
        np.testing.assert_allclose(to_numpy(weight), to_numpy(other), rtol=1e-4, atol=2e-5, err_msg=weight.path)
        change = to_numpy(other) - before[other.path]
        moved += bool(np.abs(change).max() > 0)
        difference = np.abs(to_numpy(weight) - before[other.path] - change).max()
        assert difference <= 1e-3 * np.abs(change).max() + 2e-6, weight.path
    # All but one bias before the softmax and four before batch norms, which do not notice them.
    assert moved == len(expected.weights) - 5


# --- The arrays that do not fit ---


@pytest.fixture(scope="module")
def full():
    return build()


def test_a_wrong_array_is_named_and_nothing_is_loaded(full):
    state = random_state()
    before = full.get_weights()

    def refuses(match, **changes):
        arrays = {name: array for name, array in {**state, **changes}.items() if array is not None}
        with pytest.raises(ValueError, match=match) as error:
            full.load_released_state(arrays)
        for one, other in zip(full.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, other)
        return str(error.value)

    refuses(
        r"Expected no array 'cat_bn.wieght'. Did you mean 'cat_bn.weight'\? Received: .* of the shape \(3,\)",
        **{"cat_bn.wieght": np.zeros(3)},
    )
    refuses(
        r"Expected 'hidden2tag.weight' of the shape \(12, 200\). Received: the shape \(200, 12\)",
        **{"hidden2tag.weight": np.zeros((200, 12))},
    )
    refuses(r"Expected numbers in 'hidden2tag.bias'. Received: <U1", **{"hidden2tag.bias": np.array(["x"] * 12)})
    refuses(r"'modal_clf_loss.weight' of the shape \(2,\)", **{"modal_clf_loss.weight": np.zeros(3)})
    both = refuses("released module", **{"word_embeddings.weight": np.zeros((299, 200)), "char_lstm.bias_hh_l0": None})
    assert "'word_embeddings.weight'" in both and "'char_lstm.bias_hh_l0'" in both
    for name in (name for name in state if not name.endswith("tracked") and name != "modal_clf_loss.weight"):
        missing = f"Expected {name!r} of the shape {state[name].shape}. Received: no array of this name"
        refuses(re.escape(missing), **{name: None})


def test_arrays_without_learned_values_may_be_left_out(full):
    state = random_state()
    full.load_released_state(state)
    expected = full.get_weights()
    learned = {name: a for name, a in state.items() if not name.endswith("tracked") and name != "modal_clf_loss.weight"}
    full.load_released_state(random_state(seed=5))
    assert any(np.abs(one - other).max() > 0.1 for one, other in zip(full.get_weights(), expected, strict=True))
    full.load_released_state(learned)
    for one, other in zip(full.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, other)


# --- The CRF ---


def all_paths(scores, transitions):
    """The score of every path through all twelve labels, by label."""
    labels = len(transitions)
    for path in itertools.product(range(labels), repeat=len(scores)):
        steps = [transitions[-2, path[0]], *(transitions[a, b] for a, b in itertools.pairwise(path))]
        yield path, sum(steps) + transitions[path[-1], -1] + sum(s[p] for s, p in zip(scores, path, strict=True))


@pytest.mark.parametrize("forbidden", [True, False])
def test_the_crf_sums_over_all_twelve_labels(forbidden):
    """By enumeration; without -10000 padding, START and STOP are labels like others, and read as O."""
    rng = np.random.default_rng(0)
    order = [1, 4, 5, 8, 9, 6, 7, 2, 3]
    crf = ReleasedCRF(12, order)
    scores = rng.normal(size=(4, 3, 12)).astype("float32")
    lengths = [3, 1, 2, 3]
    scores[0, 1, 11] = scores[1, 0, 0] = scores[2, 1, 10] = 9.0
    mask = np.arange(3) < np.array(lengths)[:, None]
    crf(scores)
    transitions = rng.normal(size=(12, 12)).astype("float32")
    if forbidden:
        transitions = forbid(transitions)
    crf.transitions.assign(transitions)
    gold = rng.integers(0, 9, size=(4, 3))
    found = to_numpy(crf.log_likelihood(scores, np.where(mask, gold, -100), mask))
    tags, best = crf.decode(scores, mask)
    marginals = to_numpy(crf.marginals(scores, mask))
    read = {label: tag for tag, label in enumerate(order)}
    unread = 0
    for row, n in enumerate(lengths):
        paths = dict(all_paths(scores[row, :n].astype("float64"), transitions.astype("float64")))
        values = np.array(list(paths.values()))
        total = np.logaddexp.reduce(values)
        path = tuple(order[tag] for tag in gold[row, :n])
        assert found[row] == pytest.approx(paths[path] - total, abs=1e-4)
        winner = max(paths, key=paths.get)
        unread += sum(label not in read for label in winner)
        assert to_numpy(tags)[row].tolist() == [read.get(label, 0) for label in winner] + [0] * (3 - n)
        assert to_numpy(best)[row] == pytest.approx(paths[winner], abs=1e-4)
        expected = np.zeros((3, 9))
        for path, value in paths.items():
            for t, label in enumerate(path):
                expected[t, read.get(label, 0)] += np.exp(value - total)
        np.testing.assert_allclose(marginals[row], expected, atol=1e-4)
    assert unread == 0 if forbidden else unread >= 3


def test_the_crf_begins_with_forbidden_moves_which_are_trained():
    crf = ReleasedCRF(12, range(1, 10))
    crf.build((None, None, 12))
    np.testing.assert_array_equal(to_numpy(crf.transitions), forbid(np.zeros((12, 12), "float32")))
    assert crf.transitions.trainable
    with pytest.raises(ValueError, match=r"`labels` must contain each number from 1 to 9 once. Received: labels=\[1"):
        ReleasedCRF(12, [1, 1])
    with pytest.raises(ValueError, match="`boundary` must be false"):
        ReleasedCRF(12, range(1, 10), boundary=True)


# --- The model ---


@pytest.fixture(scope="module")
def world(corpus):
    return make_world("agban-released", corpus)


class Moves(keras.callbacks.Callback):
    """Whether, on each step, the classifier's weights, its statistics, and the projector's weights moved."""

    def __init__(self, model):
        super().__init__()
        classifier, projector = model.get_layer("modality_classifier"), model.get_layer("visual_projector")
        self.parts = classifier.trainable_weights, classifier.non_trainable_weights, projector.trainable_weights
        self.steps = []

    def on_train_batch_begin(self, batch, logs=None):
        self.before = self.values()

    def on_train_batch_end(self, batch, logs=None):
        moved = [np.abs(a - b).max() > 0 for a, b in zip(self.values(), self.before, strict=True)]
        self.steps.append(moved)

    def values(self):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()  # `fit` keeps the weights elsewhere.
        return [np.concatenate([to_numpy(weight).ravel() for weight in part]) for part in self.parts]


@pytest.fixture(scope="module")
def trained(world):
    model = world.build(loss_reduction="mean")
    model.compile(keras.optimizers.Adam(0.02, weight_decay=1e-3))
    inputs, tags = world.batch(range(20))
    moves = Moves(model)
    history = model.fit(
        inputs, tags, batch_size=20, validation_data=(inputs, tags), epochs=17, verbose=0, callbacks=[moves]
    )
    return model, history.history, moves.steps


def test_the_classifier_rests_on_the_steps_8_and_16(trained):
    model, _, steps = trained
    assert [number for number, step in enumerate(steps, 1) if not step[0]] == [8, 16]
    assert all(statistics and projector for _, statistics, projector in steps)
    reversal = model.get_layer("gradient_reversal")
    assert (int(to_numpy(reversal.step)), int(to_numpy(reversal.total_steps))) == (17, 17)


def test_it_learns_tells_f1_and_its_file_tags(world, trained, tmp_path):
    posts, preprocessor = world.posts, world.preprocessor
    model, history, _ = trained
    inputs, tags = world.batch(range(20))
    assert preprocessor.tags == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert model.crf.labels == [1, 4, 5, 2, 3]
    assert "f1" not in history
    assert history["crf_loss"][-1] < 0.3 * history["crf_loss"][0]
    predicted = [
        [preprocessor.tags[tag] for tag in row[: len(post)]]
        for post, row in zip(posts, model.decode(inputs), strict=True)
    ]
    expected = f1_score([list(post.tags) for post in posts], predicted, mode="strict", scheme=IOB2)
    assert expected > 0.5
    assert history["val_f1"][-1] == pytest.approx(expected, abs=1e-6)

    path = tmp_path / "model.keras"
    model.save(path)
    again = load(path)
    # The loaded model counts on: it rests on the 24th step.
    again.run_eagerly = True
    moves = Moves(again)
    assert int(to_numpy(again.optimizer.iterations)) == 17
    again.optimizer.iterations.assign(22)
    again.fit(inputs, tags, batch_size=20, epochs=2, verbose=0, callbacks=[moves])
    assert [step[0] for step in moves.steps] == [True, False]


def test_the_reversed_gradient_flows_on_a_rest_and_the_classifier_can_go_without_rests(world):
    inputs, tags = world.batch(range(5, 10))
    moved = []
    for rests, reversal in ((1, 1.0), (1, 0.0), (0, 1.0)):
        model = world.build(classifier_rests_every=rests, reversal=reversal)
        model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
        model.train_on_batch(inputs, tags)
        moved.append(
            [to_numpy(model.get_layer(name).trainable_weights[0]) for name in ("bilstm", "modality_classifier")]
        )
    np.testing.assert_array_equal(moved[0][1], moved[1][1])
    assert np.abs(moved[0][0] - moved[1][0]).max() > 1e-6
    assert np.abs(moved[0][1] - moved[2][1]).max() > 1e-6
    np.testing.assert_allclose(moved[0][0], moved[2][0], atol=1e-7)


def test_padded_tokens_take_their_share_and_absent_objects_none(world):
    model = world.build()
    inputs, _ = world.batch(range(8))
    scores = to_numpy(model(inputs)["attention"])[:, 0]  # [B, k, n]
    there = inputs["visual_mask"]
    np.testing.assert_allclose(scores.sum((1, 2)), there.any(1), atol=1e-6)
    assert (scores[there] > 0).all() and (scores[~there] == 0).all()
    assert (there.sum(1) == 1).any() and not inputs["token_mask"].all()
    garbage = np.where(there[..., None], inputs["visual_features"], np.float32(1e3))
    np.testing.assert_array_equal(
        model.predict({**inputs, "visual_features": garbage})["potentials"], model.predict(inputs)["potentials"]
    )


def test_a_post_tagged_alone_is_not_padded(world):
    model = world.build()
    post = next(post for post in world.posts if len(post) in (3, 4, 5) and post.image_id in world.store)
    (alone,) = model.explain([post], world.store)
    assert alone["attention"].sum() == pytest.approx(1.0, abs=1e-5)
    assert alone["attention"].shape[2] == len(post)


def test_it_tags_ten_posts_at_a_time_in_their_order_as_the_released_code_does(world):
    posts, store, model = world.posts[:20], world.store, world.build()
    for first in (0, 10):
        inputs, _ = world.batch(range(first, first + 10))
        assert inputs["token_mask"].shape[1] == max(map(len, posts[first : first + 10]))
        expected = to_numpy(model(inputs)["attention"])
        found = [explained["attention"] for explained in model.explain(posts, store)][first : first + 10]
        for row, array in enumerate(found):
            np.testing.assert_allclose(array, expected[row, :, : array.shape[1], : array.shape[2]], atol=1e-6)


def test_the_classes_are_weighted_by_the_training_data(world):
    inputs, _ = world.batch(range(5, 10))
    model = world.build(num_training_tokens=60, num_training_posts=10)
    outputs = {name: to_numpy(value) for name, value in model(inputs).items()}
    logits, n = outputs["modality_logits"], inputs["token_mask"].shape[1]
    logs = logits - np.logaddexp(logits[..., :1], logits[..., 1:])
    textual, visual = (float(loss) for loss in model.modality_losses(model(inputs)))
    assert textual == pytest.approx(-0.25 * logs[:, :n, 1][inputs["token_mask"]].sum(), rel=1e-5)
    assert visual == pytest.approx(-0.75 * logs[:, n:, 0][inputs["visual_mask"]].sum(), rel=1e-5)


def test_lstms_and_linear_layers_begin_uniformly():
    lstm = BiLSTM(32)
    begin_uniformly(lstm)
    lstm.build((None, None, 7))
    weights = [to_numpy(weight) for weight in lstm.weights]
    assert len(weights) == 6
    for weight in weights:
        assert 0.2 < np.abs(weight).max() <= 0.25
        assert abs(weight.mean()) < 0.1
    assert np.abs(weights[0] - weights[3]).max() > 0.1
    model = build(**SMALL)
    projector = model.get_layer("visual_projector")
    for layer in (*projector.inner, projector.outer, model.get_layer("potentials")):
        for weight in layer.weights:
            limit = layer.kernel.shape[0] ** -0.5
            assert 0.7 * limit < np.abs(to_numpy(weight)).max() <= limit
    gate = model.get_layer("attention").gate_nets[0]
    assert float(to_numpy(gate.length)) == pytest.approx(float(np.linalg.norm(to_numpy(gate.direction))), rel=1e-5)


def test_tags_are_numbered_in_the_released_order(full):
    assert full.crf.labels == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert ops.shape(full(random_batch()[0])["potentials"]) == (5, 7, 12)
