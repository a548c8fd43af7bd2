"""HSN as its users meet it: what it explains is what its tags came from, and a post without a picture."""

import keras
import numpy as np
import pytest
from layer_harness import to_numpy
from small_corpus import make_world

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module")
def world(corpus):
    return make_world("hsn", corpus)


@pytest.mark.parametrize("gate", ["token", "feature"])
def test_what_is_explained_makes_the_potentials(world, gate):
    model = world.build(gate=gate)
    kernel, bias = (to_numpy(weight) for weight in model.get_layer("potentials").weights)
    inputs, _ = world.batch()
    wanted = {name: model.get_layer(name).output for name in ("text_dropout", "region_projection")}
    wanted["potentials"] = model.output["potentials"]
    outputs = {name: to_numpy(value) for name, value in keras.Model(model.input, wanted)(inputs).items()}
    explained = model.explain(world.posts, world.store)
    for row, (post, found) in enumerate(zip(world.posts, explained, strict=True)):
        text = outputs["text_dropout"][row, : len(post)]
        assert found["gamma"].shape == (len(post), 1 if gate == "token" else text.shape[-1])
        # Equations 16 and 18, from what is explained.
        fusion = found["token_attention"][:, None] * text
        mixed = found["gamma"] * text + (1 - found["gamma"]) * fusion
        np.testing.assert_allclose(mixed @ kernel + bias, outputs["potentials"][row, : len(post)], rtol=1e-4, atol=1e-5)
    guided = np.stack([found["region_attention"] for found in explained])[..., None] * outputs["region_projection"]
    masks = {"query_mask": inputs["visual_mask"], "value_mask": inputs["token_mask"]}
    _, scores = model.get_layer("image_to_text")(guided, outputs["text_dropout"], **masks, return_attention_scores=True)
    for row, found in enumerate(explained):
        expected = to_numpy(scores)[row, : len(world.posts[row])]
        np.testing.assert_allclose(found["token_attention"], expected, rtol=1e-4, atol=1e-6)


def test_a_post_without_a_picture_sees_the_blank_one_even_without_a_store(world, corpus):
    model = world.build()
    bare = [post for post in world.posts if post.image_id is None or post.image_id not in world.store]
    assert len(bare) > 3
    inputs, _ = world.batch(posts=bare)
    assert inputs["visual_mask"].all() and (inputs["visual_features"] == 0.5).all()
    assert model.tag(bare) == model.tag(bare, world.store)
    # w/o VF: every post is such a post.
    blind = make_world("hsn-without-vf", corpus)
    for found, expected in zip(
        blind.build().potentials(blind.posts, blind.store), model.potentials(world.posts), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
