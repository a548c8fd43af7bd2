"""Measure a trained model's use of pictures: with its own, none, and somebody else's.

Usage: python benchmarks/whose_picture.py STORE DATA RUN...

STORE contains the pictures' features, DATA is a data set, the runs are one model's, one per seed. Over the test posts
whose picture is in the store: F1 (strict IOB2) with each post's own picture, without one, and with shuffled pictures,
as the mean over the runs; the difference to the own pictures with the 95 % interval of a paired bootstrap over posts;
for HSN also the mean gamma (eq. 17; near 1 the text counts, near 0 the fusion with the picture).
"""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
from measures import f1, predictions

from mner_keras.cli.keras_start import start_keras


def main() -> None:
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    start_keras()
    from mner_keras import load_dataset
    from mner_keras.models import load_tagger
    from mner_keras.papers.compare import compare
    from mner_keras.vision import FeatureStore

    store = FeatureStore(sys.argv[1])
    posts = [p for p in load_dataset(sys.argv[2])["test"] if p.image_id is not None and p.image_id in store]
    shuffled = np.random.default_rng(1).permutation(len(posts))
    pictures = {
        "own": [post.image_id for post in posts],
        "none": [None] * len(posts),
        "another's": [posts[other].image_id for other in shuffled],
    }
    found, gammas = {name: [] for name in pictures}, {name: [] for name in pictures}
    for run in sys.argv[3:]:
        model = load_tagger(run)
        for name, image_ids in pictures.items():
            seen = [dataclasses.replace(p, image_id=image) for p, image in zip(posts, image_ids, strict=True)]
            found[name].append(predictions(posts, model.tag(seen, store)))
            if "gamma" in model.output:
                gammas[name].append(np.concatenate([e["gamma"] for e in model.explain(seen, store)]).mean())
    print(f"{len(posts)} posts, {len(sys.argv) - 3} runs")
    for name, runs in found.items():
        difference = compare(runs, found["own"])
        interval = f"{difference.difference:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]"
        gamma = f", mean gamma {np.mean(gammas[name]):.5f}" if gammas[name] else ""
        mean = np.mean([f1(run) for run in runs])
        print(f"{name}: F1 {mean:.2f}" + (f", {interval}" if name != "own" else "") + gamma)


if __name__ == "__main__":
    main()
