"""The short ways of `tag` against the model's own graph."""

import numpy as np
import pytest
from layer_harness import randomize, to_numpy
from small_corpus import make_world

from mner_keras.data.batches import PostBatches


@pytest.mark.parametrize("name", ["hsn", "agban", "adaptive-co-attention", "agban-released"])
def test_a_tokens_characters_are_encoded_once_with_the_same_potentials(corpus, name):
    """Of two of these encoders, one reads the characters of each token alone, and one is left to the graph."""
    world = make_world(name, corpus)
    model = world.build()
    randomize(model.crf)
    posts = world.posts * 2
    found = model.potentials(posts, world.store)
    size = len(posts) if model.preprocessor.bucket else 10
    for start in range(0, len(posts), size):
        inputs, _ = PostBatches(model.preprocessor, posts[start : start + size], world.store, size).batch(
            np.arange(len(posts[start : start + size]))
        )
        expected = to_numpy(model(inputs)["potentials"])
        for row, one in enumerate(found[start : start + size]):
            np.testing.assert_allclose(one, expected[row, : len(one)], rtol=1e-4, atol=1e-5)


def test_without_scores_the_tags_are_the_same(corpus):
    world = make_world("text", corpus)
    model = world.build()
    randomize(model.crf)
    with_scores, without = model.tag(world.posts), model.tag(world.posts, scores=False)
    assert [post.tags for post in without] == [post.tags for post in with_scores]
    assert any(post.entities for post in without)
    assert {entity.score for post in without for entity in post.entities} == {None}
    assert None not in {entity.score for post in with_scores for entity in post.entities}


def test_posts_of_any_length_and_batch_size_keep_their_place(corpus):
    world = make_world("text", corpus)
    model = world.build()
    posts = [" ".join(["Dakota"] * length) for length in (1, 40, 3, 1, 70, 2)]
    assert [len(post.tags) for post in model.tag(posts)] == [1, 40, 3, 1, 70, 2]
    one_by_one = model.tag(posts, batch_size=1)
    assert [post.tags for post in model.tag(posts)] == [post.tags for post in one_by_one]
