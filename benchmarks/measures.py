"""What the benchmarks share: one way to time calls, and the F1 of tagged posts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any


def seconds(run: Callable[[], Any], times: int, warm_up: int = 0) -> list[float]:
    """Return the wall time of each of so many calls, after some that are not counted."""
    found = []
    for _ in range(warm_up + times):
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return found[warm_up:]


def print_rate(what: str, posts: int, run: Callable[[], Any], times: int) -> None:
    """Print the posts per second of each of so many passes."""
    for number in range(1, times + 1):
        (taken,) = seconds(run, 1)
        print(f"{what}, pass {number}: {posts / taken:,.0f} posts/s", flush=True)


def predictions(posts: Sequence, tagged: Sequence) -> list:
    """Return the predictions of one run, as `mner_keras.papers.compare.compare` reads them."""
    from mner_keras.run.scores import Prediction

    return [Prediction(None, post.tokens, post.tags, found.tags) for post, found in zip(posts, tagged, strict=True)]


def f1(run: Sequence) -> float:
    """Return the micro F1 of a run's predictions, in percent."""
    from mner_keras.run.scores import entity_scores

    return entity_scores([p.tags for p in run], [p.predicted for p in run])["micro"]["f1"]
