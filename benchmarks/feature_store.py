"""Measure speed and memory of writing and reading a feature store, and of batches with and without it.

Usage: python benchmarks/feature_store.py STORE [--pictures N] [--dtype float16|float32] [--batch-size B]

STORE is written with N pictures of 49 x 512 random numbers if it does not exist (100,000 in float32: 10 GB).
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from measures import print_rate

from mner_keras.data.batches import PostBatches
from mner_keras.data.post import Post
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.vision import FeatureStore, FeatureWriter

WORDS = ["the", "best", "Benz", "in", "Los", "Angeles", "today", "so", "good", "and", "yet", "it", "rains"]


def write(path: Path, pictures: int, dtype: str) -> None:
    """Write random features."""
    vectors = np.random.default_rng(0).random((64, 49, 512), "float32")
    started = time.perf_counter()
    with FeatureWriter(path, {"extractor": "random", "feature_dim": 512}, dtype) as writer:
        for number in range(pictures):
            writer.add(f"p{number}", vectors[number % len(vectors)])
    seconds = time.perf_counter() - started
    size = path.stat().st_size / 2**30
    print(
        f"written: {pictures:,} pictures, {size:.1f} GiB, {seconds:.0f} s, {pictures / seconds:.0f} pictures per second"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--batch-size", type=int, default=16)
    options = parser.parse_args()
    if not options.store.exists():
        write(options.store, options.pictures, options.dtype)
    started = time.perf_counter()
    store = FeatureStore(options.store)
    print(f"opened: {len(store):,} pictures in {time.perf_counter() - started:.2f} s")
    rng = np.random.default_rng(1)
    posts = [
        Post(tuple(rng.choice(WORDS, 12)), ("B-PER", *["O"] * 11), f"p{number}")
        for number in rng.permutation(len(store))[:20_000]
    ]
    preprocessor = PostPreprocessor.fit(posts, None, store, visual="regions", use_pos=False)
    for name, features in (("without the store", None), ("with the store", store)):
        batches = PostBatches(preprocessor, posts, features, options.batch_size, shuffle=True, seed=1)
        print_rate(name, len(posts), lambda batches=batches: list(batches), 1)
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB at most")


if __name__ == "__main__":
    main()
