"""Cut posts of all lengths into batches of few shapes and bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

MAX_TOKENS = 32_768
"""Tokens, padding included, that `tag` computes at once."""


def cut(order: np.ndarray, lengths: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Runs of at most `batch_size` posts, fewer where they are long, so that a batch's memory is bounded."""
    start = 0
    while start < len(order):
        end = min(start + batch_size, len(order))
        while end - start > 1 and (end - start) * lengths[order[start:end]].max() > MAX_TOKENS:
            end = start + (end - start) // 2
        yield order[start:end]
        start = end


def next_length(length: int) -> int:
    """The length to pad to: a multiple of 8 up to 64, of 64 beyond."""
    step = 8 if length <= 64 else 64
    return -(-length // step) * step


def filled(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a batch with empty rows and tokens behind them: few distinct shapes, as a compiler makes a program
    for each."""
    rows, length = inputs["token_mask"].shape
    more_rows, more_tokens = (1 << (rows - 1).bit_length()) - rows, next_length(length) - length
    padded = {}
    for name, array in inputs.items():
        by_token = array.ndim > 1 and not name.startswith(("visual_", "subword_"))
        widths = [(0, more_rows), (0, more_tokens if by_token else 0)] + [(0, 0)] * (array.ndim - 2)
        padded[name] = np.pad(array, widths)
    return padded
