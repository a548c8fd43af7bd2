"""`Tagger.explain`: the attention and the gate that it gives are those that the tags came from."""

import keras
import numpy as np
import pytest
from tiny import make_world

from mner_keras.errors import InputError


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    return {kind: make_world(kind, tmp_path_factory.mktemp(kind)) for kind in ("text", "hsn", "agban")}


def to_numpy(value):
    return keras.ops.convert_to_numpy(value)


def outputs_of(model, inputs, *layers):
    """The potentials of a batch, and what some layers give in it."""
    wanted = {name: model.get_layer(name).output for name in layers} | {"potentials": model.output["potentials"]}
    found = keras.Model(model.input, wanted)({key: inputs[key] for key in model.input})
    return {name: to_numpy(value) for name, value in found.items()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("gate", ["token", "feature"])
def test_hsn_explains_its_potentials(worlds, gate):
    world = worlds["hsn"]
    model = world.build(gate=gate)
    kernel, bias = (to_numpy(w) for w in model.get_layer("potentials").weights)
    inputs, _ = world.batch()
    outputs = outputs_of(model, inputs, "text_dropout", "region_projection")
    explained = model.explain(world.posts, world.store)
    for row, (post, found) in enumerate(zip(world.posts, explained, strict=True)):
        n = len(post)
        assert set(found) == {"region_attention", "token_attention", "gamma"}
        np.testing.assert_allclose(found["region_attention"].sum(), 1, rtol=1e-5)
        np.testing.assert_allclose(found["token_attention"].sum(), 1, rtol=1e-5)
        text = outputs["text_dropout"][row, :n]
        assert found["gamma"].shape == (n, 1 if gate == "token" else text.shape[-1])
        # Equations 16 and 18, from what is explained.
        fusion = found["token_attention"][:, None] * text
        mixed = found["gamma"] * text + (1 - found["gamma"]) * fusion
        np.testing.assert_allclose(mixed @ kernel + bias, outputs["potentials"][row, :n], rtol=1e-4, atol=1e-5)
    weights = np.stack([found["region_attention"] for found in explained])
    guided = weights[..., None] * outputs["region_projection"]
    masks = {"query_mask": inputs["visual_mask"], "value_mask": inputs["token_mask"]}
    _, scores = model.get_layer("image_to_text")(guided, outputs["text_dropout"], **masks, return_attention_scores=True)
    for row, found in enumerate(explained):
        expected = to_numpy(scores)[row, : len(world.posts[row])]
        np.testing.assert_allclose(found["token_attention"], expected, rtol=1e-4, atol=1e-6)


def test_agban_explains_its_potentials(worlds):
    world = worlds["agban"]
    model = world.build()
    layer = model.get_layer("attention")
    kernel = to_numpy(model.get_layer("potentials").kernel)
    attended_kernel, of_objects, of_text, opening = (
        to_numpy(w)
        for w in (layer.attended_kernel, layer.gate_object_kernel, layer.gate_text_kernel, layer.gate_kernel)
    )
    inputs, _ = world.batch()
    potentials = outputs_of(model, inputs)["potentials"]
    counts = inputs["visual_mask"].sum(axis=1)
    assert set(counts) == {0, 1, 2, 3}
    for row, found in enumerate(model.explain(world.posts, world.store)):
        n, k = len(world.posts[row]), counts[row]
        attention, text, objects = (found[key] for key in ("attention", "text_features", "object_features"))
        assert attention.shape == (n, k)
        assert objects.shape[0] == k
        if k:
            np.testing.assert_allclose(attention.sum(), 1, rtol=1e-5)
        # Equations 10 to 14, from what is explained.
        attended = attention @ (objects @ attended_kernel)
        gate = sigmoid(np.concatenate([np.tanh(attended @ of_objects), np.tanh(text @ of_text)], axis=-1) @ opening)
        np.testing.assert_allclose((gate * attended + text) @ kernel, potentials[row, :n], rtol=1e-4, atol=1e-5)


def test_a_post_is_explained_alike_alone_and_among_others(worlds):
    world = worlds["hsn"]
    model = world.build()
    together = model.explain(world.posts, world.store, batch_size=7)
    for number in (0, 8):
        (alone,) = model.explain([world.posts[number]], world.store)
        for name, values in alone.items():
            np.testing.assert_allclose(values, together[number][name], rtol=1e-4, atol=1e-6)


def test_a_variant_explains_what_it_has(worlds):
    world = worlds["hsn"]
    assert set(world.build(integration="concatenate").explain(world.posts[:1])[0]) == {
        "region_attention",
        "token_attention",
    }
    blind = world.build(pictures=False).explain(world.posts[:2], world.store)
    assert [len(found["token_attention"]) for found in blind] == [len(post) for post in world.posts[:2]]
    world = worlds["agban"]
    concatenated = world.build(fusion="concatenate", adversarial=False).explain(world.posts[:2], world.store)
    assert set(concatenated[0]) == {"text_features", "object_features"}
    assert worlds["agban"].build().explain([]) == []


def test_a_model_without_attention_says_so(worlds):
    with pytest.raises(InputError, match="expected a model that attends to something, found a TextTagger"):
        worlds["text"].build().explain(worlds["text"].posts[:1])
