"""Speed and memory of the real pipeline: one command per part; `--help` explains each. Run it on an idle machine."""

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from timeit import repeat
from typing import Annotated, Any

import numpy as np
import typer

from mner_keras.cli.terminal import start_keras

app = typer.Typer(help=__doc__)


@app.command()
def model(name: str, data: str, features: str | None = None, vectors: str = "") -> None:
    """Posts per second in training, prediction and tagging.

    Trains on 2,000 posts with the paper's batch size and optimiser (three epochs: the first one compiles); predicts the
    test split at batch 64 in its own order and sorted by length, and tags it with scores (each twice).
    """
    start_keras()
    from mner_keras.data.datasets import load_dataset
    from mner_keras.data.preprocessor import needed_words
    from mner_keras.registry import find_model
    from mner_keras.text import read_vectors

    posts, entry = load_dataset(data), find_model(name)
    train, test, batch_size = posts["train"][:2000], posts["test"], entry.training.batch_size
    found = read_vectors(vectors, needed_words(posts["train"])) if vectors else None
    preprocessor = entry.load_class().fit_preprocessor(posts["train"], found, features)
    tagger = entry.load_class()(preprocessor, **entry.arguments)
    tagger.compile()
    batches = preprocessor.dataset(train, features, batch_size, shuffle=True, seed=1)
    print_rate(f"pipeline alone, batch {batch_size}", len(train), lambda: list(batches), 2)
    print_rate(f"train, batch {batch_size}", len(train), lambda: tagger.fit(batches, epochs=1, verbose=0), 3)
    for order, some in (("own order", test), ("sorted by length", sorted(test, key=len))):
        inputs = preprocessor.dataset(some, features, batch_size=64)
        print_rate(f"predict, batch 64, {order}", len(test), partial(tagger.predict, inputs, verbose=0), 2)
    print_rate("tag with scores, batch 64", len(test), lambda: tagger.tag(test, features), 2)


@app.command()
def store(path: Path, pictures: int = 10_000, dtype: str = "float32", batch_size: int = 16) -> None:
    """Writing and reading a feature store, and batches with and without it.

    The store is written with pictures of 49 x 512 random numbers if it does not exist (100,000 in float32: 10 GB).
    """
    from mner_keras.data.batches import PostBatches
    from mner_keras.data.post import Post
    from mner_keras.data.preprocessor import PostPreprocessor
    from mner_keras.vision import FeatureStore, FeatureWriter
    from mner_keras.vision.visual_input import VisualInput

    rng = np.random.default_rng(0)
    if not path.exists():
        vectors = rng.random((64, 49, 512), "float32")
        started = time.perf_counter()
        with FeatureWriter(path, {"extractor": "random", "feature_dim": 512}, dtype) as writer:
            for number in range(pictures):
                writer.add(f"p{number}", vectors[number % len(vectors)])
        rate = pictures / (time.perf_counter() - started)
        print(f"written: {pictures:,} pictures, {path.stat().st_size / 2**30:.1f} GiB, {rate:.0f} pictures/s")
    started = time.perf_counter()
    found = FeatureStore(path)
    print(f"opened: {len(found):,} pictures in {time.perf_counter() - started:.2f} s")
    words = ["the", "best", "Benz", "in", "Los", "Angeles", "today", "so", "good", "and", "yet", "it", "rains"]
    posts = [
        Post(tuple(rng.choice(words, 12)), ("B-PER", *["O"] * 11), f"p{number}")
        for number in rng.permutation(len(found))[:20_000]
    ]
    preprocessor = PostPreprocessor.fit(posts, None, found, VisualInput("regions", 49, 512), use_pos=False)
    for name, features in (("without the store", None), ("with the store", found)):
        batches = PostBatches(preprocessor, posts, features, batch_size, shuffle=True, seed=1)
        print_rate(name, len(posts), partial(list, batches), 1)
    print(f"memory: {peak():.2f} GiB at most")


@app.command()
def mask_rcnn(
    side: int = 1024, num_proposals: int = 1000, batch_size: int = 1, precision: str = "float32", times: int = 3
) -> None:
    """Mask R-CNN's seconds per picture, in total and by part, and the peak of memory, with random weights.

    The first batch is compiled and not counted. Processor time is also printed, since other programs may run.
    """
    start_keras(all_cores=True)
    import keras

    from mner_keras.vision.mask_rcnn import MaskRCNN

    keras.config.set_dtype_policy(precision)
    network = MaskRCNN(side, num_proposals)
    pixels = np.random.default_rng(0).integers(0, 256, (batch_size, side, side, 3)).astype("float32")
    inputs = {"pixels": pixels, "window": np.tile(np.array([0, 0, 1, 1], "float32"), (batch_size, 1))}
    maps = network.body.predict_on_batch(pixels)["maps"]
    boxes = np.tile(np.array([0.2, 0.2, 0.4, 0.4], "float32"), (batch_size, num_proposals, 1))
    print(f"{keras.backend.backend()}, {precision}, {batch_size} x {side} x {side}, seconds per picture")
    parts = {"all": (network, inputs), "body": (network.body, pixels)}
    parts["head"] = network.head, {"maps": maps, "boxes": boxes}
    for name, (part, given) in parts.items():
        run = partial(part.predict_on_batch, given)
        run()
        started = time.process_time()
        walls = np.array(repeat(run, number=1, repeat=times)) / batch_size
        taken = (time.process_time() - started) / times / batch_size
        print(f"{name:5} {walls.min():6.2f} at best, {walls.mean():6.2f} mean, processor {taken:6.2f}; ", end="")
        print(f"{peak():.2f} GiB")


@app.command()
def scaling(
    run: str,
    out: Path,
    posts: Annotated[list[int], typer.Option()] = [1000, 3000, 10_000, 30_000, 100_000],  # noqa: B006
    tokens: Annotated[list[int], typer.Option()] = [5, 16, 50, 100, 200, 400],  # noqa: B006
) -> None:
    """Time and memory of `mner tag` against the number of posts and against their length.

    Tags made-up posts of words of the model's vocabulary in a process of its own: so many posts of 16 tokens, and 2,000
    posts of so many tokens. Prints wall time and the peak of resident memory, start included, and draws them.
    """
    import matplotlib.pyplot as plt

    from mner_keras.models import find_model_file, read_model_config

    config = read_model_config(find_model_file(run) if os.path.isdir(run) else run)
    words = [word for word in config["config"]["preprocessor"]["words"] if word.isalnum()]
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    sizes = {"posts of 16 tokens": [(n, n, 16) for n in posts]}
    sizes["tokens per post, 2,000 posts"] = [(k, 2000, k) for k in tokens]
    for panel, (what, points) in zip(panels, sizes.items(), strict=True):
        panel.set(xlabel=what, xscale="log")
        rows = []
        for x, count, length in points:
            rows.append((x, *tag(run, words, count, length)))
            print("{} {:>8,}: {:7.1f} s, {:6,.0f} MB".format(what, *rows[-1]), flush=True)
        x, *series = zip(*rows, strict=True)
        styles = (panel, "seconds", "o-", "tab:blue"), (panel.twinx(), "peak memory, MB", "s--", "tab:red")
        for values, (axes, name, line, colour) in zip(series, styles, strict=True):
            axes.plot(x, values, line, color=colour)
            axes.set_ylabel(name, color=colour)
            axes.set_ylim(0, None)
    figure.savefig(out)


def tag(run: str, words: list[str], posts: int, tokens: int) -> tuple[float, float]:
    """Return the seconds and the peak of memory, in MB, of tagging so many posts of so many tokens."""
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "posts.txt"
        path.write_text("".join(" ".join(rng.choices(words, k=tokens)) + "\n" for _ in range(posts)), encoding="utf-8")
        command = [sys.executable, "-m", "mner_keras", "tag", run, str(path), "--input", "text"]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit("tagging failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def print_rate(what: str, posts: int, run: Callable[[], Any], times: int) -> None:
    """Print the posts per second of each of so many passes."""
    for number, taken in enumerate(repeat(run, number=1, repeat=times), start=1):
        print(f"{what}, pass {number}: {posts / taken:,.0f} posts/s", flush=True)


def peak() -> float:
    """Return the peak of resident memory so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    app()
