"""Posts per second in training, prediction and tagging, through the real pipeline.

Usage: python benchmarks/speed.py MODEL DATA [--features STORE] [--vectors FILE]
       python benchmarks/speed.py plain

Trains on 2,000 posts at the paper's batch size with its optimiser (three epochs, each timed: the first one compiles),
predicts the test split at batch 64 in its own order and sorted by length, and tags it with scores (each twice). Run it
on an idle machine.

`plain` is the reference: a plain Keras model of AGBAN's size on arrays, without pictures and CRF. It trains on 2,000
posts at batch 10 and predicts 3,257 at batch 64, each of 20 tokens of 24 characters. Keras feeds arrays by tf.data,
whose autotuner delays short passes: see docs/results.md.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
from measures import print_rate

from mner_keras.cli.keras_start import start_keras


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data", nargs="?")
    parser.add_argument("--features")
    parser.add_argument("--vectors", default="")
    options = parser.parse_args()
    start_keras()
    if options.model == "plain":
        measure_plain()
    elif options.data:
        measure_model(options)
    else:
        parser.error("DATA must be given with a model")


def measure_model(options: argparse.Namespace) -> None:
    """Measure a model of the registry."""
    from mner_keras.data.datasets import load_dataset
    from mner_keras.data.preprocessor import needed_words
    from mner_keras.registry import find_model
    from mner_keras.text import read_vectors

    data, entry = load_dataset(options.data), find_model(options.model)
    train, test, batch_size = data["train"][:2000], data["test"], entry.training.batch_size
    vectors = read_vectors(options.vectors, needed_words(data["train"])) if options.vectors else None
    preprocessor = entry.load_class().fit_preprocessor(data["train"], vectors, options.features)
    model = entry.load_class()(preprocessor, **entry.arguments)
    model.compile()
    batches = preprocessor.dataset(train, options.features, batch_size, shuffle=True, seed=1)
    print_rate(f"pipeline alone, batch {batch_size}", len(train), lambda: list(batches), 2)
    print_rate(f"train, batch {batch_size}", len(train), lambda: model.fit(batches, epochs=1, verbose=0), 3)
    for order, posts in (("own order", test), ("sorted by length", sorted(test, key=len))):
        inputs = preprocessor.dataset(posts, options.features, batch_size=64)
        print_rate(f"predict, batch 64, {order}", len(test), partial(model.predict, inputs, verbose=0), 2)
    print_rate("tag with scores, batch 64", len(test), lambda: model.tag(test, options.features), 2)


def measure_plain() -> None:
    """Measure the plain Keras model."""
    import keras
    from keras import layers

    tokens, characters = keras.Input((20,), dtype="int32"), keras.Input((20, 24), dtype="int32")
    spelled = layers.TimeDistributed(layers.Bidirectional(layers.LSTM(25)))(layers.Embedding(100, 30)(characters))
    words = layers.Concatenate()([layers.Embedding(12000, 200)(tokens), spelled])
    hidden = layers.Bidirectional(layers.LSTM(100, return_sequences=True))(words)
    model = keras.Model([tokens, characters], layers.Dense(9, activation="softmax")(hidden))
    model.compile("sgd", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x = [rng.integers(1, 12000, (3257, 20)), rng.integers(1, 100, (3257, 20, 24))]
    y = rng.integers(0, 9, (2000, 20))
    some = [array[:2000] for array in x]
    print_rate("train, batch 10", 2000, lambda: model.fit(some, y, batch_size=10, verbose=0), 3)
    print_rate("predict, batch 64", 3257, lambda: model.predict(x, batch_size=64, verbose=0), 3)


if __name__ == "__main__":
    main()
