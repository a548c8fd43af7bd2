"""Compare with other programs, in turn on one machine.

`crf`: loss with gradient, and decoding, at [64, 32, 9] (batch, tokens, tags), of mner-keras on TensorFlow and what is
installed of tensorflow-addons and pytorch-crf. A peer is an interpreter of another environment, which runs this script
(for tensorflow-addons: `requirements-parity.txt`). Prints the minimum and the median time per call.

`agban`: AGBAN and its authors' released code, a clone of thecharm/AGBAN (torch). Trains on 2,000 posts at the paper's
batch size by SGD, and tags the test split: ours with scores, theirs without, sorted by length in batches of 64. Tagging
is timed from posts in memory to entities, encoding included; starting, compiling and a first pass are left out. Prints
posts per second by the clock and by processor time, and the ratios to the released code.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from timeit import repeat

import numpy as np

TAGS, CALLS = 9, 100
TRAINED, WIDTH, OBJECTS = 2000, 100, 3

rng = np.random.default_rng(0)
POTENTIALS = rng.normal(size=(64, 32, TAGS)).astype("float32")
GOLD = rng.integers(0, TAGS, size=(64, 32)).astype("int32")
LENGTHS = rng.integers(8, 33, size=64).astype("int32")
MASK = np.arange(32) < LENGTHS[:, None]
TRANSITIONS = rng.normal(0, 0.1, size=(TAGS, TAGS)).astype("float32")

Calls = Iterator[tuple[str, Callable[[], object]]]


def mner_tensorflow() -> Calls:
    """Yield our CRF on TensorFlow, for known and unknown lengths."""
    import tensorflow as tf

    from mner_keras.layers import CRF

    crf = CRF(TAGS, boundary=False)
    crf.build((None, None, TAGS))
    x, y, mask = tf.constant(POTENTIALS), tf.constant(GOLD), tf.constant(MASK)

    def loss(x, y, mask):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = -tf.reduce_mean(crf.log_likelihood(x, y, mask))
        return tape.gradient(value, [x, crf.transitions.value])

    for name, function, given in (("loss", loss, (x, y, mask)), ("decode", crf.decode, (x, mask))):
        unknown = [tf.TensorSpec([None, None, *array.shape[2:]], array.dtype) for array in given]
        ways = {"": {}, ", unknown lengths": {"input_signature": unknown}, ", XLA": {"jit_compile": True}}
        for kind, options in ways.items():
            compiled = tf.function(function, **options)
            yield f"mner-keras {name}{kind}", lambda run=compiled, given=given: run(*given)[0].numpy()


def addons() -> Calls:
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
        return tape.gradient(value, [x, transitions])

    decode = tf.function(lambda: tfa.text.crf_decode(x, transitions, lengths))
    yield "tensorflow-addons loss", lambda: loss()[0].numpy()
    yield "tensorflow-addons decode", lambda: decode()[0].numpy()


def pytorch_crf() -> Calls:
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


def measure_crf(options: argparse.Namespace) -> dict[str, list[float]]:
    """Return the milliseconds of each call of this interpreter's CRFs."""
    first = {"mner_keras": mner_tensorflow} if options.side == "ours" else {"tensorflow_addons": addons}
    peers = {**first, "torchcrf": pytorch_crf}
    calls = [call for name, peer in peers.items() if importlib.util.find_spec(name) for call in peer()]
    # The first runs compile.
    return {name: [1e3 * taken for taken in repeat(call, number=1, repeat=5 + CALLS)[5:]] for name, call in calls}


def compare_crf(options: argparse.Namespace) -> None:
    times: dict[str, list[float]] = {}
    sides = {"ours": (sys.executable, {}), **{python: (python, {}) for python in options.peer}}
    for _, found in in_turn(options, sides):
        for name, taken in found.items():
            times.setdefault(name, []).extend(taken)
    for name, taken in times.items():
        print(f"{name:40} least {min(taken):6.2f} ms, median {np.median(taken):6.2f} ms")


def timed(posts: int, run: Callable[[], object]) -> tuple[float, float]:
    """Return posts per second by the clock and by processor time, after a first run that is not counted."""
    run()
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return posts / (time.perf_counter() - clock), posts / (time.process_time() - processor)


def measure_agban(options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Measure `AGBAN` on Keras' backend, or the released code."""
    if options.side == "released":
        return released(options)
    from mner_keras.cli.terminal import start_keras

    start_keras()
    from agban_keras import AGBAN
    from mner_keras.data.datasets import load_dataset

    data, store = load_dataset(options.data), options.features
    train, test = data["train"][:TRAINED], data["test"]
    model = AGBAN(AGBAN.fit_preprocessor(data["train"], features=store, num_objects=OBJECTS), word_dim=WIDTH)
    model.compile()
    batches = model.preprocessor.dataset(train, store, batch_size=10, shuffle=True, seed=1)
    return {
        "train": timed(len(train), lambda: model.fit(batches, epochs=1, verbose=0)),
        "tag": timed(len(test), lambda: model.tag(test, store)),
    }


def released(options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Measure the released code, by its own functions."""
    from mner_keras.data.datasets import load_dataset
    from mner_keras.vision import FeatureStore

    data, store = load_dataset(options.data), FeatureStore(options.features)
    train, test = data["train"][:TRAINED], sorted(data["test"], key=len, reverse=True)
    objects = {}
    for post in (*train, *test):
        features, there = store.read([post.image_id], OBJECTS)
        objects[post] = features[0][there[0]].ravel()
    sys.path.insert(0, options.released)
    sys.argv = sys.argv[:1]
    import torch
    from main import batchify_with_label, predict_check, recover_label
    from model.AGBAN import AGBAN
    from utils.data import Data
    from utils.functions import normalize_word
    from utils.metric import get_ner_BIO

    settings = Data()
    settings.word_emb_dim, settings.max_obj, settings.glimpse = WIDTH, OBJECTS, 1
    words, characters, labels = settings.word_alphabet, settings.char_alphabet, settings.label_alphabet
    for post in (*data["train"], *data["dev"], *data["test"]):
        for token, tag in zip(post.tokens, post.tags, strict=True):
            word = normalize_word(token)
            words.add(word)
            labels.add(tag)
            for character in word:
                characters.add(character)
    settings.label_alphabet_size = labels.size()
    settings.fix_alphabet()
    model = AGBAN(settings)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.005, weight_decay=1e-8)

    def instance(post):
        read = [normalize_word(token) for token in post.tokens]
        spelled = [list(map(characters.get_index, word)) for word in read]
        ids, tags = list(map(words.get_index, read)), list(map(labels.get_index, post.tags))
        return [ids, [[] for _ in read], spelled, tags, objects[post]]

    instances = [instance(post) for post in train]

    def batches(instances, size):
        for start in range(0, len(instances), size):
            yield batchify_with_label(instances[start : start + size], False, False, False, max_obj=OBJECTS)

    def fit():
        model.train()
        for words, features, lengths, _, characters, *rest in batches(instances, 10):
            loss, *_, tags, _, _ = model.calculate_loss(words, features, lengths, characters, *rest, 0.5)
            predict_check(tags, rest[2], rest[3], False)
            loss.backward()
            optimizer.step()
            model.zero_grad()

    def tag():
        model.eval()
        found = []
        with torch.no_grad():
            for words, features, lengths, recover, characters, *rest in batches([instance(post) for post in test], 64):
                counts, order, gold, mask, *seen = rest
                tags = model(words, features, lengths, characters, counts, order, mask, *seen, alpha=0)
                names, _ = recover_label(tags, gold, mask, labels, recover, False)
                found += [get_ner_BIO(row) for row in names]

    return {"train": timed(len(train), fit), "tag": timed(len(test), tag)}


def compare_agban(options: argparse.Namespace) -> None:
    root, backends = str(Path(__file__).parents[1]), options.backend or ["tensorflow"]
    keras = {"released": "torch", **{backend: backend for backend in backends}}
    sides = {side: (sys.executable, {"KERAS_BACKEND": keras[side], "PYTHONPATH": root}) for side in keras}
    speeds: dict[str, dict[str, list]] = {work: {side: [] for side in sides} for work in ("train", "tag")}
    for side, found in in_turn(options, sides):
        for work, (clock, processor) in found.items():
            speeds[work][side].append((clock, processor))
            print(f"{side:12} {work:6} {clock:7,.0f} posts/s, {processor:7,.0f} per s of processor time", flush=True)
    print(f"\nmedians of {options.rounds} rounds, {os.cpu_count()} cores")
    for work, of_side in speeds.items():
        medians = {side: np.median(found, axis=0) for side, found in of_side.items()}
        for side, (clock, processor) in medians.items():
            ratio, of_processor = medians[side] / medians["released"]
            print(f"{side:12} {work:6} {clock:7,.0f} ({ratio:.2f}) {processor:7,.0f} ({of_processor:.2f})")


def in_turn(options: argparse.Namespace, sides: dict[str, tuple[str, dict]]) -> Iterator[tuple[str, dict[str, list]]]:
    """Yield what each side measures in a process of its own, its interpreter and environment given, round by round."""
    for _ in range(options.rounds):
        for side, (python, more) in sides.items():
            command = [python, __file__, "--side", side, *sys.argv[1:]]
            environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **more}
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            yield side, json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(required=True)
    crf = commands.add_parser("crf")
    crf.add_argument("--peer", action="append", default=[], metavar="PYTHON")
    crf.set_defaults(measure=measure_crf, compare=compare_crf)
    agban = commands.add_parser("agban")
    for name in ("--released", "--data", "--features"):
        agban.add_argument(name, required=True)
    agban.add_argument("--backend", action="append", help="of Keras, for ours; several in turn (default: tensorflow)")
    agban.set_defaults(measure=measure_agban, compare=compare_agban)
    options = parser.parse_args()
    if options.side is None:
        options.compare(options)
        return
    with contextlib.redirect_stdout(sys.stderr):
        found = options.measure(options)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
