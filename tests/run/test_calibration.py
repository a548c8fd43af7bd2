"""The temperature, and the calibration error."""

from types import SimpleNamespace

import numpy as np
import pytest
from layer_harness import to_numpy
from sklearn.calibration import calibration_curve

from mner_keras.data.post import Post
from mner_keras.layers import CRF
from mner_keras.run.train import calibration, fit_temperature
from mner_keras.tagged_post import tagged_post


def test_scores_multiplied_by_a_factor_have_a_temperature_that_much_higher():
    rng = np.random.default_rng(4)
    potentials = [rng.normal(0, 2, (n, 3)).astype("float32") for n in (5, 1, 8, 7, 6, 8)]
    crf = CRF(3)
    crf(potentials[0][None])
    # Two tags of three are the likeliest ones.
    tags = [np.where(rng.uniform(size=len(x)) < 0.7, x.argmax(axis=1), rng.integers(0, 3, len(x))) for x in potentials]
    posts = [SimpleNamespace(tags=row) for row in tags]

    def fit(factor):
        for weight, values in zip(crf.weights, weights, strict=True):
            weight.assign(factor * values)
        model = SimpleNamespace(
            crf=crf,
            potentials=lambda posts, features: [factor * x for x in potentials],
            preprocessor=SimpleNamespace(tag_ids=list),
        )
        return fit_temperature(model, posts)

    weights = [to_numpy(weight) for weight in crf.weights]
    assert fit(3) == pytest.approx(3 * fit(1), rel=0.01)
    # At the temperature of 1 no other one makes the tags likelier.
    assert fit(1 / fit(1)) == pytest.approx(1, rel=0.01)


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
