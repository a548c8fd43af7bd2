"""Measure Mask R-CNN's seconds per picture, in total and by part, and the peak memory, with random weights.

Usage: python benchmarks/mask_rcnn.py [--side S] [--num-proposals P] [--batch-size B] [--precision POLICY] [--repeat N]

The first batch is compiled and not counted. Processor time is also printed, since other programs may run.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from measures import seconds

from mner_keras.cli.keras_start import start_keras


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--num-proposals", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()

    start_keras(all_cores=True)
    import keras

    from mner_keras.vision.mask_rcnn import MaskRCNN

    keras.config.set_dtype_policy(options.precision)
    network = MaskRCNN(options.side, options.num_proposals)
    size, side = options.batch_size, options.side
    pixels = np.random.default_rng(0).integers(0, 256, (size, side, side, 3)).astype("float32")
    inputs = {"pixels": pixels, "window": np.tile(np.array([0, 0, 1, 1], "float32"), (size, 1))}
    print(f"{keras.backend.backend()}, {options.precision}, {size} x {side} x {side}, seconds per picture")
    measure("all", lambda: network.predict_on_batch(inputs), options.repeat, size)
    found = network.body.predict_on_batch(pixels)
    boxes = np.tile(np.array([0.2, 0.2, 0.4, 0.4], "float32"), (size, options.num_proposals, 1))
    measure("body", lambda: network.body.predict_on_batch(pixels), options.repeat, size)
    given = {"maps": found["maps"], "boxes": boxes}
    measure("head", lambda: network.head.predict_on_batch(given), options.repeat, size)


def measure(name: str, run: Callable[[], Any], repeat: int, pictures: int) -> None:
    """Run once uncounted, then print the least and the mean time of the rest, and the peak memory so far."""
    run()
    started = time.process_time()
    walls = [taken / pictures for taken in seconds(run, repeat)]
    processor = (time.process_time() - started) / repeat / pictures
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name:5} {min(walls):6.2f} at best, {np.mean(walls):6.2f} mean, processor {processor:6.2f}; {peak:.2f} GiB")


if __name__ == "__main__":
    main()
