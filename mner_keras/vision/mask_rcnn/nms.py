"""Non-maximum suppression with static shapes, for every backend."""

from __future__ import annotations

from typing import Any

from keras import ops

from mner_keras.vision.mask_rcnn.boxes import gather_rows, overlap

NEVER = -1.0
"""The score of a box that is not to be chosen; scores are probabilities."""


def non_max_suppression(
    boxes: Any, scores: Any, count: int, threshold: float, groups: Any | None = None
) -> tuple[Any, Any]:
    """The best boxes that do not overlap a better one.

    Chosen one after the other, the best score first (the earlier one of two that are equal); a choice rules out what
    overlaps it by more than the threshold. All pictures of a batch are done in one loop of `count` steps.

    Args:
        boxes: float `[B, N, 4]`.
        scores: float `[B, N]` in `[0, 1]`; `NEVER` for boxes that are out of question.
        count: how many to choose at most.
        threshold: intersection over union above which the lesser box goes.
        groups: int `[B, N]`: boxes of different groups do not rule each other out.

    Returns:
        indices int32 `[B, count]`, the best first, and bool `[B, count]`: which of them are choices; the indices after
        the last choice are 0.
    """
    number = boxes.shape[1]
    positions = ops.arange(number, dtype="int32")[None]
    steps = ops.arange(count, dtype="int32")[None]

    def step(index: Any, state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        left, chosen, valid = state
        best = ops.cast(ops.argmax(left, axis=1), "int32")[:, None]  # [B, 1]
        found = ops.max(left, axis=1, keepdims=True) > NEVER
        gone = overlap(boxes, gather_rows(boxes, best)) > threshold
        if groups is not None:
            gone = ops.logical_and(gone, groups == gather_rows(groups, best))
        gone = ops.logical_or(gone, positions == best)
        here = ops.logical_and(steps == index, found)
        return (
            ops.where(gone, NEVER, left),
            ops.where(here, best, chosen),
            ops.logical_or(here, valid),
        )

    # Made from the scores, so that a batch of unknown size keeps its shape through the loop.
    nothing = ops.zeros_like(scores[:, :1], dtype="int32") + ops.zeros_like(steps)  # [B, count]
    _, chosen, valid = ops.fori_loop(0, count, step, (scores, nothing, nothing > 0))
    return chosen, valid
