"""The reference for speed.py: a plain Keras model of AGBAN's size on arrays, without pictures and CRF.

Usage: python benchmarks/plain_speed.py

Posts per second of three passes of training at batch 10 (2,000 posts) and of prediction at batch 64 (3,257 posts), each
post of 20 tokens of 24 characters. Keras feeds arrays by tf.data, whose autotuner delays short passes: see
docs/results.md.
"""

from __future__ import annotations

import time

import keras
import numpy as np
from keras import layers

TOKENS, CHARACTERS = 20, 24


def main() -> None:
    words = keras.Input((TOKENS,), dtype="int32")
    characters = keras.Input((TOKENS, CHARACTERS), dtype="int32")
    spelled = layers.TimeDistributed(layers.Bidirectional(layers.LSTM(25)))(layers.Embedding(100, 30)(characters))
    tokens = layers.Concatenate()([layers.Embedding(12000, 200)(words), spelled])
    hidden = layers.Bidirectional(layers.LSTM(100, return_sequences=True))(tokens)
    model = keras.Model([words, characters], layers.Dense(9, activation="softmax")(hidden))
    model.compile("sgd", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x = [rng.integers(1, 12000, (3257, TOKENS)), rng.integers(1, 100, (3257, TOKENS, CHARACTERS))]
    y = rng.integers(0, 9, (2000, TOKENS))
    for what, posts, run in (
        ("train, batch 10", 2000, lambda: model.fit([a[:2000] for a in x], y, batch_size=10, verbose=0)),
        ("predict, batch 64", 3257, lambda: model.predict(x, batch_size=64, verbose=0)),
    ):
        for number in range(1, 4):
            started = time.perf_counter()
            run()
            print(f"{what}, pass {number}: {posts / (time.perf_counter() - started):,.0f} posts/s", flush=True)


if __name__ == "__main__":
    main()
