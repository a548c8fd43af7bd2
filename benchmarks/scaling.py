"""Time and memory of `mner tag` against the number of posts and against their length.

Usage: python benchmarks/scaling.py MODEL OUT.svg [--posts N ...] [--tokens N ...]

Tags made-up posts of words of the model's vocabulary in a process of its own: 1,000 to 100,000 posts of 16 tokens, and
2,000 posts of 5 to 400 tokens. Prints wall time, posts per second and the peak of resident memory, start included, and
draws them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mner_keras.models import find_model_file, read_model_config


def tag(model: str, words: list[str], posts: int, tokens: int) -> tuple[float, float]:
    """Return the seconds and the peak of memory, in MB, of tagging so many posts of so many tokens."""
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "posts.txt"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(" ".join(rng.choices(words, k=tokens)) + "\n" for _ in range(posts))
        command = [sys.executable, "-m", "mner_keras", "tag", model, str(path), "--input", "text"]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit("tagging failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--posts", type=int, nargs="+", default=[1000, 3000, 10_000, 30_000, 100_000])
    parser.add_argument("--tokens", type=int, nargs="+", default=[5, 16, 50, 100, 200, 400])
    options = parser.parse_args()
    config = read_model_config(find_model_file(options.model) if os.path.isdir(options.model) else options.model)
    words = [word for word in config["config"]["preprocessor"]["words"] if word.isalnum()]
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    series = {"posts of 16 tokens": [(n, n, 16) for n in options.posts]}
    series["tokens per post, 2,000 posts"] = [(k, 2000, k) for k in options.tokens]
    found = {}
    for panel, (what, points) in zip(panels, series.items(), strict=True):
        rows = found[what] = [(x, *tag(options.model, words, posts, tokens)) for x, posts, tokens in points]
        for x, seconds, memory in rows:
            print(f"{what} {x:>8,}: {seconds:7.1f} s, {memory:6,.0f} MB", flush=True)
        panel.plot([row[0] for row in rows], [row[1] for row in rows], "o-", color="tab:blue")
        panel.set(xlabel=what, xscale="log", ylim=(0, None))
        panel.set_ylabel("seconds", color="tab:blue")
        memory = panel.twinx()
        memory.plot([row[0] for row in rows], [row[2] for row in rows], "s--", color="tab:red")
        memory.set(ylim=(0, None))
        memory.set_ylabel("peak memory, MB", color="tab:red")
    figure.savefig(options.out)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
