"""Best tags and marginals of a CRF in NumPy, for programs without Keras; `CRF` gives the same."""

from collections.abc import Mapping

import numpy as np


def decode(
    potentials: np.ndarray, lengths: np.ndarray, crf: Mapping[str, np.ndarray], temperature: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best tags, int `[B, n]`, and their probabilities, float64 `[B, n]`; undefined after a row's end.

    Potentials are float `[B, n, K]`, `lengths` the tokens of each row, int `[B]`, at least 1, and `crf` is from
    `CRF.arrays`. `temperature` divides all scores before the probabilities.
    """
    potentials = np.array(potentials, "float32")
    potentials[:, 0] += crf["start"]
    potentials[np.arange(len(lengths)), lengths - 1] += crf["end"]
    labels = _best_path(potentials, lengths, crf["transitions"])
    marginals = _marginals(potentials / temperature, lengths, crf["transitions"] / temperature)
    tags = np.asarray(crf["tags"])[labels]
    # Several labels may mean the same tag.
    return tags, (marginals * (crf["tags"] == tags[..., None])).sum(axis=-1)


def _best_path(potentials: np.ndarray, lengths: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    rows, steps, count = potentials.shape
    best, came_from = potentials[:, 0], np.zeros((steps, rows, count), int)
    for t in range(1, steps):
        ways = best[:, :, None] + transitions
        there = (t < lengths)[:, None]
        came_from[t] = np.where(there, ways.argmax(axis=1), np.arange(count))
        best = np.where(there, ways.max(axis=1) + potentials[:, t], best)
    path = [best.argmax(axis=1)]
    for t in reversed(range(1, steps)):
        path.append(came_from[t][np.arange(rows), path[-1]])
    return np.stack(path[::-1], axis=1)


def _marginals(potentials: np.ndarray, lengths: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    potentials, transitions = potentials.astype("float64"), transitions.astype("float64")
    steps = potentials.shape[1]
    forward, backward = [potentials[:, 0]], [np.zeros_like(potentials[:, 0])]
    for t in range(1, steps):
        new = np.logaddexp.reduce(forward[-1][:, :, None] + transitions, axis=1) + potentials[:, t]
        forward.append(np.where((t < lengths)[:, None], new, forward[-1]))
        t = steps - t  # backwards
        new = np.logaddexp.reduce(transitions + (potentials[:, t] + backward[-1])[:, None], axis=2)
        backward.append(np.where((t < lengths)[:, None], new, 0.0))
    log_z = np.logaddexp.reduce(forward[-1], axis=-1)
    return np.exp(np.stack(forward, axis=1) + np.stack(backward[::-1], axis=1) - log_z[:, None, None])
