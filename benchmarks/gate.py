"""What HSN's gate makes of a picture: its own, none, and somebody else's.

Usage: python benchmarks/gate.py MODEL DATA [--features STORE] [--split test] [--seed 1]

MODEL is a run folder or a .keras file of `hsn`. Takes the posts of the split whose picture the store holds. Prints the
mean gamma (eq. 17; near 1 the text counts, near 0 the fusion with the picture) and the F1 for these posts with their
own pictures, without pictures, and with the pictures shuffled among them.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from mner_keras.cli.keras_start import start_keras


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--features")
    parser.add_argument("--split", default="test")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    start_keras()
    import keras

    from mner_keras import load
    from mner_keras.data import load_dataset
    from mner_keras.data.batches import PostBatches
    from mner_keras.run.scores import entity_scores
    from mner_keras.vision import FeatureStore

    path = Path(options.model)
    model = load(path / "model.keras" if path.is_dir() else path)
    gate = model.get_layer("integration")
    features = keras.Model(model.input, gate.input)  # H and F
    data = load_dataset(options.data)
    store = FeatureStore(options.features or data.features("regions"))
    posts = [post for post in data[options.split] if post.image_id is not None and post.image_id in store]
    order = np.random.default_rng(options.seed).permutation(len(posts))
    variants = {
        "own picture": posts,
        "no picture": [dataclasses.replace(post, image_id=None) for post in posts],
        "another's picture": [
            dataclasses.replace(post, image_id=posts[other].image_id) for post, other in zip(posts, order, strict=True)
        ],
    }
    print(f"{len(posts)} posts")
    for name, variant in variants.items():
        total = count = 0
        for inputs in PostBatches(model.encoder, variant, store, 64, labelled=False):
            mask = inputs["token_mask"]
            text, fusion = features.predict_on_batch({key: inputs[key] for key in model.input})
            values = keras.ops.convert_to_numpy(gate(text, fusion, return_gate=True)[1])
            total += values[mask].sum() / values.shape[-1]
            count += mask.sum()
        tagged = model.tag(variant, store)
        f1 = entity_scores([post.tags for post in variant], [post.tags for post in tagged])["micro"]["f1"]
        print(f"{name}: mean gamma {total / count:.6f}, F1 {f1:.2f}")


if __name__ == "__main__":
    main()
