"""AGBAN against its authors' released code: training and tagging of the same posts, in turn on one machine.

Usage: python benchmarks/against_released.py --released FOLDER --data FOLDER --features STORE [--backend NAME ...]

FOLDER is a clone of the authors' repository (thecharm/AGBAN; torch). Trains on 2,000 posts at the paper's batch size by
SGD, and tags the test split: ours with scores, theirs without, sorted by length in batches of 64. Tagging is timed from
posts in memory to entities, encoding included; starting, compiling and a pass before are left out. Prints posts per
second by the clock and by processor time, and the ratios to the released code.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

TRAINED, WIDTH, OBJECTS = 2000, 100, 3


def timed(posts: int, run: Callable[[], object]) -> tuple[float, float]:
    """Return posts per second by the clock and by processor time."""
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return posts / (time.perf_counter() - clock), posts / (time.process_time() - processor)


def ours(options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Measure `AGBAN` on Keras' backend."""
    from mner_keras.cli.keras_start import start_keras

    start_keras()
    import keras

    from agban_keras import AGBAN
    from mner_keras.data.datasets import load_dataset

    data = load_dataset(options.data)
    train, test = data["train"][:TRAINED], data["test"]
    model = AGBAN(AGBAN.fit_preprocessor(data["train"], features=options.features, num_objects=OBJECTS), word_dim=WIDTH)
    model.compile()
    started: list[tuple[float, float]] = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: started.append((time.perf_counter(), time.process_time())),
        on_train_end=lambda logs: started.append((time.perf_counter(), time.process_time())),
    )
    model.fit(train, features=options.features, epochs=3, verbose=0, callbacks=[clock])
    model.tag(test, options.features)
    last = tuple(len(train) / (after - before) for before, after in zip(*started[-2:], strict=True))
    return {"train": last, "tag": timed(len(test), lambda: model.tag(test, options.features))}


def released(options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Measure the released code, by its own functions."""
    from mner_keras.data.batches import open_store
    from mner_keras.data.datasets import load_dataset

    data = load_dataset(options.data)
    train, test = data["train"][:TRAINED], sorted(data["test"], key=len, reverse=True)
    store = open_store(options.features)
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
    for post in (*data["train"], *data["dev"], *data["test"]):
        for token, tag in zip(post.tokens, post.tags, strict=True):
            word = normalize_word(token)
            settings.word_alphabet.add(word)
            settings.label_alphabet.add(tag)
            for character in word:
                settings.char_alphabet.add(character)
    settings.label_alphabet_size = settings.label_alphabet.size()
    settings.fix_alphabet()
    model = AGBAN(settings)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.005, weight_decay=1e-8)

    def instance(post):
        words = [normalize_word(token) for token in post.tokens]
        return [
            [settings.word_alphabet.get_index(word) for word in words],
            [[] for _ in words],
            [[settings.char_alphabet.get_index(character) for character in word] for word in words],
            [settings.label_alphabet.get_index(tag) for tag in post.tags],
            objects[post],
        ]

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
                names, _ = recover_label(tags, gold, mask, settings.label_alphabet, recover, False)
                found += [get_ner_BIO(row) for row in names]

    fit(), tag()
    return {"train": timed(len(train), fit), "tag": timed(len(test), tag)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--released", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--features", required=True)
    parser.add_argument("--backend", action="append", help="of Keras, for ours; several in turn (default: tensorflow)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        with contextlib.redirect_stdout(sys.stderr):
            found = (released if options.side == "released" else ours)(options)
        print(json.dumps(found))
        return
    sides = ["released", *(options.backend or ["tensorflow"])]
    speeds: dict[str, dict[str, list]] = {side: {"train": [], "tag": []} for side in sides}
    for _ in range(options.rounds):
        for side in sides:
            backend = "torch" if side == "released" else side
            done = subprocess.run(
                [sys.executable, __file__, *sys.argv[1:], "--side", side],
                env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(Path(__file__).parents[1])},
                stdout=subprocess.PIPE,
                check=True,
            )
            for work, speed in json.loads(done.stdout.splitlines()[-1]).items():
                speeds[side][work].append(speed)
                print(
                    f"{side:12} {work:6} {speed[0]:7,.0f} posts/s, {speed[1]:7,.0f} per s of processor time", flush=True
                )
    print(f"\nmedians of {options.rounds} rounds, {os.cpu_count()} cores, {platform.processor() or platform.machine()}")
    for work in ("train", "tag"):
        base = np.median(speeds["released"][work], axis=0)
        for side in sides:
            clock, processor = np.median(speeds[side][work], axis=0)
            ratios = f"{clock:7,.0f} ({clock / base[0]:.2f}) {processor:7,.0f} ({processor / base[1]:.2f})"
            print(f"{side:12} {work:6} {ratios}")


if __name__ == "__main__":
    main()
