"""Posts per second in training, prediction and tagging, through the real pipeline.

Usage: python benchmarks/speed.py MODEL DATA [--features STORE] [--vectors FILE]

Trains on 2,000 posts at the paper's batch size with its optimiser (three epochs, each timed: the first one compiles),
predicts the test split at batch 64 in its own order and sorted by length, and tags it with scores (each twice). Run it
on an idle machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from mner_keras.cli.keras_start import start_keras


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--features")
    parser.add_argument("--vectors", default="")
    options = parser.parse_args()

    start_keras()
    from mner_keras.run.optimizer import make_optimizer

    from mner_keras.data.datasets import load_dataset
    from mner_keras.data.preprocessor import needed_words
    from mner_keras.registry import find_model
    from mner_keras.run.config import RunConfig
    from mner_keras.text import read_vectors

    data = load_dataset(options.data)
    train, test = data["train"][:2000], data["test"]
    model_class = find_model(options.model).load_class()
    vectors = read_vectors(options.vectors, needed_words(data["train"])) if options.vectors else None
    preprocessor = model_class.fit_preprocessor(data["train"], vectors, options.features)
    model = model_class(preprocessor)
    config = RunConfig.for_model(options.model)
    batches = preprocessor.dataset(train, options.features, config.batch_size, shuffle=True, seed=1)
    model.compile(make_optimizer(config, len(batches)))

    def timed(what: str, posts: int, run: Callable[[], object], times: int) -> None:
        for number in range(1, times + 1):
            started = time.perf_counter()
            run()
            print(f"{what}, pass {number}: {posts / (time.perf_counter() - started):,.0f} posts/s", flush=True)

    timed(f"pipeline alone, batch {config.batch_size}", len(train), lambda: list(batches), 2)
    timed(f"train, batch {config.batch_size}", len(train), lambda: model.fit(batches, epochs=1, verbose=0), 3)
    for order, posts in (("own order", test), ("sorted by length", sorted(test, key=len))):
        inputs = preprocessor.dataset(posts, options.features, batch_size=64)
        timed(f"predict, batch 64, {order}", len(test), lambda inputs=inputs: model.predict(inputs), 2)
    timed("tag with scores, batch 64", len(test), lambda: model.tag(test, options.features), 2)


if __name__ == "__main__":
    main()
