"""Compare the CRF with others: loss with gradient, and decoding, at [64, 32, 9] (batch, tokens, tags).

Usage: python benchmarks/crf_speed.py [--peer PYTHON ...] [--rounds N]

Measures the available ones of mner-keras (on Keras' backend), tensorflow-addons and pytorch-crf. A peer is an
interpreter of another environment (tensorflow-addons needs `requirements-parity.txt`): it runs the same script,
alternating with this one on the same machine. Prints the minimum and the median time per call, in ms.
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from timeit import repeat

import numpy as np

ROWS, TOKENS, TAGS = 64, 32, 9
CALLS = 100

rng = np.random.default_rng(0)
POTENTIALS = rng.normal(size=(ROWS, TOKENS, TAGS)).astype("float32")
GOLD = rng.integers(0, TAGS, size=(ROWS, TOKENS)).astype("int32")
LENGTHS = rng.integers(8, TOKENS + 1, size=ROWS).astype("int32")
MASK = np.arange(TOKENS) < LENGTHS[:, None]
TRANSITIONS = rng.normal(0, 0.1, size=(TAGS, TAGS)).astype("float32")


def mner_tensorflow() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield our CRF on TensorFlow, for known and unknown lengths."""
    import tensorflow as tf

    from mner_keras.layers import CRF

    crf = CRF(TAGS, boundary=False)
    crf.build((None, None, TAGS))
    x, y, mask = tf.constant(POTENTIALS), tf.constant(GOLD), tf.constant(MASK)
    unknown = [
        tf.TensorSpec((None, None, TAGS)),
        tf.TensorSpec((None, None), "int32"),
        tf.TensorSpec((None, None), "bool"),
    ]

    def loss(x, y, mask):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = -tf.reduce_mean(crf.log_likelihood(x, y, mask))
        return value, tape.gradient(value, [x, crf.transitions.value])

    for name, options in (
        ("", {}),
        (", unknown lengths", {"input_signature": unknown}),
        (", XLA", {"jit_compile": True}),
    ):
        function = tf.function(loss, **options)
        yield f"mner-keras loss{name}", lambda function=function: function(x, y, mask)[1][0].numpy()
    for name, options in (("", {}), (", unknown lengths", {"input_signature": [unknown[0], unknown[2]]})):
        function = tf.function(crf.decode, **options)
        yield f"mner-keras decode{name}", lambda function=function: function(x, mask)[0].numpy()


def addons() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the CRF of tensorflow-addons."""
    import tensorflow as tf
    import tensorflow_addons as tfa

    x, y, lengths = tf.constant(POTENTIALS), tf.constant(GOLD), tf.constant(LENGTHS)
    transitions = tf.Variable(TRANSITIONS)

    @tf.function
    def loss():
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = -tf.reduce_mean(tfa.text.crf_log_likelihood(x, y, lengths, transitions)[0])
        return value, tape.gradient(value, [x, transitions])

    decode = tf.function(lambda: tfa.text.crf_decode(x, transitions, lengths))
    yield "tensorflow-addons loss", lambda: loss()[1][0].numpy()
    yield "tensorflow-addons decode", lambda: decode()[0].numpy()


def pytorch_crf() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the CRF of pytorch-crf."""
    import torch
    from torchcrf import CRF

    crf = CRF(TAGS, batch_first=True)
    x, y, mask = torch.tensor(POTENTIALS, requires_grad=True), torch.tensor(GOLD).long(), torch.tensor(MASK)

    def loss():
        x.grad = None
        crf.zero_grad()
        (-crf(x, y, mask, reduction="mean")).backward()

    yield "pytorch-crf loss", loss
    yield "pytorch-crf decode", lambda: crf.decode(x, mask)


def measure() -> dict[str, list[float]]:
    """Return the milliseconds of each call."""
    peers = []
    if importlib.util.find_spec("tensorflow_addons"):
        peers.append(addons)
    elif importlib.util.find_spec("mner_keras") and importlib.util.find_spec("tensorflow"):
        peers.append(mner_tensorflow)
    if importlib.util.find_spec("torchcrf"):
        peers.append(pytorch_crf)
    times = {}
    for name, call in (one for peer in peers for one in peer()):
        times[name] = [1e3 * taken for taken in repeat(call, number=1, repeat=5 + CALLS)[5:]]  # the first ones compile
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", action="append", default=[], metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.json:
        json.dump(measure(), sys.stdout)
        return
    collected = collections.defaultdict(list)
    for _ in range(options.rounds):
        for python in [sys.executable, *options.peer]:
            output = subprocess.run(
                [python, __file__, "--json"],
                check=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            ).stdout
            for name, times in json.loads(output).items():
                collected[name].extend(times)
    for name, times in collected.items():
        print(f"{name:40} least {min(times):6.2f} ms, median {sorted(times)[len(times) // 2]:6.2f} ms")


if __name__ == "__main__":
    main()
