"""The temperature, and the calibration error."""

import keras
import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from small_corpus import make_world

from mner_keras.data.post import Post
from mner_keras.run.calibration import calibration, fit_temperature
from mner_keras.tagged_post import tagged_post


def test_scores_multiplied_by_a_factor_have_a_temperature_that_much_higher(corpus):
    world = make_world("text", corpus)
    model = world.build()
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(world.posts, epochs=3, seed=1, verbose=0)
    first = fit_temperature(model, world.posts)
    model.temperature = 5.0  # plays no part
    for weight in (*model.get_layer("potentials").weights, *model.crf.weights):
        weight.assign(3 * weight.value)
    assert fit_temperature(model, world.posts) == pytest.approx(3 * first, rel=0.01)
    # No temperature nearby gives the tags more probability.
    losses = []
    for temperature in (2.8 * first, 3 * first, 3.2 * first):
        for weight in (*model.get_layer("potentials").weights, *model.crf.weights):
            weight.assign(weight.value / temperature)
        losses.append(-model.log_likelihood(world.posts).mean())
        for weight in (*model.get_layer("potentials").weights, *model.crf.weights):
            weight.assign(weight.value * temperature)
    assert min(losses) == losses[1]


def test_the_calibration_error_compares_scores_with_precision():
    rng = np.random.default_rng(1)
    gold, tagged = [], []
    for score in rng.uniform(0.3, 1, 200):
        gold.append(("B-PER", "O") if rng.uniform() < score**2 else ("B-LOC", "O"))
        tagged.append(tagged_post(Post(("Ann", "ran")), ("B-PER", "O"), (score, 0.9)))
    found = calibration(gold, tagged)
    precision, score = calibration_curve(
        [tags[0] == "B-PER" for tags in gold], [post.entities[0].score for post in tagged], n_bins=10
    )
    np.testing.assert_allclose([row["precision"] for row in found["bins"]], 100 * precision)
    np.testing.assert_allclose([row["score"] for row in found["bins"]], 100 * score)
    assert sum(row["entities"] for row in found["bins"]) == 200
    error = sum(row["entities"] * abs(row["precision"] - row["score"]) for row in found["bins"]) / 200
    assert found["error"] == pytest.approx(error)
    assert 10 < error < 35


def test_no_entities_and_certain_ones_have_no_error():
    post = Post(("Ann", "ran"))
    assert calibration([("O", "O")], [tagged_post(post, ("O", "O"), (1.0, 1.0))]) == {"error": 0.0, "bins": []}
    certain = calibration([("B-PER", "O")], [tagged_post(post, ("B-PER", "O"), (1.0, 1.0))])
    assert certain == {"error": 0.0, "bins": [{"score": 100.0, "precision": 100.0, "entities": 1}]}
