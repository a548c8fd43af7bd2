"""Boxes, the anchors that they start from, and the layers that choose among them: `Proposals` and `Detections`.

A box is top, left, bottom, right, as shares of a picture's sides. In pixels the lower right corner lies outside the
box; as a share it lies inside: a picture of `h` x `w` pixels reaches from `(0, 0, h, w)`, which is `(0, 0, 1, 1)`, and
a pixel's share is `1 / (h - 1)` of the height. The weights were trained with this rule of Matterport's.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

SIDES = (32, 64, 128, 256, 512)  # pixels; one for each level of the pyramid, P2 to P6
STRIDES = (4, 8, 16, 32, 64)  # pixels of the picture from one cell of a level to the next
RATIOS = (0.5, 1.0, 2.0)  # width over height
DELTA_SCALE = (0.1, 0.1, 0.2, 0.2)  # the standard deviations that the deltas were divided by in training
LARGEST = 10.0  # the logarithm of the factor by which a box grows at most
NEVER = -1.0  # the score of a box that is not to be chosen; scores are probabilities
CONSIDERED = 6000  # anchors that proposals are chosen from
PROPOSAL_OVERLAP, DETECTION_OVERLAP = 0.7, 0.3  # intersections over union above which the lesser of two boxes goes

_NAMES = """
background, person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant,
stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack,
umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove,
skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich,
orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv,
laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase,
scissors, teddy bear, hair drier, toothbrush
"""

CLASSES = tuple(name.strip() for name in _NAMES.split(","))  # COCO's, in the order of the network's outputs
_CORNER = np.array([0, 0, 1, 1])


def to_unit(boxes: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Return boxes in pixels `[..., 4]` as shares of the sides; `size`: the picture's height and width in pixels."""
    return (np.asarray(boxes) - _CORNER) / (np.tile(size, 2) - 1)


def to_pixels(boxes: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Return boxes as shares of the sides, in whole pixels: int64 `[..., 4]`; the inverse of `to_unit`."""
    return np.rint(np.asarray(boxes) * (np.tile(size, 2) - 1) + _CORNER).astype("int64")


def shift_boxes(boxes: Any, deltas: Any) -> Any:
    """Move and stretch boxes `[..., 4]` by the network's `deltas` `[..., 4]`, which are divided by `DELTA_SCALE`.

    How far the centre moves down and to the right, in heights and widths of the box; the logarithms of their factors.
    """
    deltas = deltas * np.array(DELTA_SCALE, "float32")
    corner, size = boxes[..., :2], boxes[..., 2:] - boxes[..., :2]
    centre = corner + 0.5 * size + deltas[..., :2] * size
    # Beyond this factor a box is cut at the picture's edge in any case, and infinities would end as NaN.
    size = size * ops.exp(ops.minimum(deltas[..., 2:], LARGEST))
    corner = centre - 0.5 * size
    return ops.concatenate([corner, corner + size], axis=-1)


def clip_boxes(boxes: Any, window: Any) -> Any:
    """Cut boxes `[..., 4]` to a window `[..., 4]`: a corner outside moves to the window's edge."""
    low = ops.concatenate([window[..., :2], window[..., :2]], axis=-1)
    high = ops.concatenate([window[..., 2:], window[..., 2:]], axis=-1)
    return ops.maximum(ops.minimum(boxes, high), low)


def overlap(boxes: Any, others: Any) -> Any:
    """Return the intersection over union of boxes that broadcast, `[...]`; 0 where neither has an area."""
    corner = ops.maximum(boxes[..., :2], others[..., :2])
    common = _area(corner, ops.minimum(boxes[..., 2:], others[..., 2:]))
    union = _area(boxes[..., :2], boxes[..., 2:]) + _area(others[..., :2], others[..., 2:]) - common
    return ops.where(union > 0, common / ops.where(union > 0, union, 1.0), 0.0)


def _area(corner: Any, opposite: Any) -> Any:
    size = ops.maximum(opposite - corner, 0.0)
    return size[..., 0] * size[..., 1]


def gather_rows(values: Any, indices: Any) -> Any:
    """Return the named rows of each picture: `values` `[B, N, *f]`, `indices` int `[B, *i]` give `[B, *i, *f]`."""
    first = values.shape[1] * ops.arange(ops.shape(values)[0], dtype="int32")
    first = ops.reshape(first, (-1,) + (1,) * (len(indices.shape) - 1))
    rows = ops.reshape(values, (-1, *values.shape[2:]))
    return ops.take(rows, ops.cast(indices, "int32") + first, axis=0)


def make_anchors(side: int) -> np.ndarray:
    """Return the anchors of a square picture of `side` pixels: float32 `[3 * cells, 4]`; 261,888 of them at 1024.

    Level by level from P2, row by row, cell by cell, and at each cell the ratios in their order: the order of the
    network's outputs. An anchor is centred on its cell's top left corner, as in the Matterport implementation.
    """
    ratios = np.sqrt(np.array(RATIOS))
    boxes = []
    for anchor_side, stride in zip(SIDES, STRIDES, strict=True):
        half = 0.5 * anchor_side * np.stack([1 / ratios, ratios], axis=-1)  # [3, 2]: height, width
        corners = np.arange(0, side, stride)
        centres = np.stack(np.meshgrid(corners, corners, indexing="ij"), axis=-1)[:, :, None]  # [h, w, 1, 2]
        boxes.append(np.concatenate([centres - half, centres + half], axis=-1).reshape(-1, 4))
    return to_unit(np.concatenate(boxes), (side, side)).astype("float32")


def non_max_suppression(
    boxes: Any, scores: Any, count: int, threshold: float, groups: Any | None = None
) -> tuple[Any, Any]:
    """Choose the best boxes `[B, N, 4]` that do not overlap a better one, in one loop of `count` steps.

    The best of the scores `[B, N]` comes first (the earlier one of two that are equal, never one of `NEVER`). A choice
    rules out what overlaps it by more than the threshold and is of the same of the groups int `[B, N]`.

    Returns:
        indices int32 `[B, count]`, 0 after the last choice, and bool `[B, count]`: which of them are choices.
    """
    positions = ops.arange(boxes.shape[1], dtype="int32")[None]
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
        return ops.where(gone, NEVER, left), ops.where(here, best, chosen), ops.logical_or(here, valid)

    # Made from the scores, so that a batch of unknown size keeps its shape through the loop.
    nothing = ops.zeros_like(scores[:, :1], dtype="int32") + ops.zeros_like(steps)  # [B, count]
    _, chosen, valid = ops.fori_loop(0, count, step, (scores, nothing, nothing > 0))
    return chosen, valid


class Proposals(keras.layers.Layer):
    """The best of the anchors, moved, cut to the picture, and without those that overlap a better one.

    From the probabilities `[B, A]` that an anchor holds an object and the anchors' deltas `[B, A, 4]`: boxes float32
    `[B, count, 4]`, the best first, and bool `[B, count]`, which of them are proposals; the rest are zeros. See Ren et
    al. 2015, "Faster R-CNN", section 3.1.
    """

    def __init__(self, side: int, count: int = 1000, **kwargs: Any) -> None:
        # The coordinates of a large picture's boxes need more digits than half precision has.
        super().__init__(**kwargs, dtype="float32")
        self.count = count
        self.anchors = make_anchors(side)

    def call(self, objectness: Any, deltas: Any) -> tuple[Any, Any]:
        scores, best = ops.top_k(objectness, min(CONSIDERED, len(self.anchors)))
        anchors = ops.take(self.anchors, best, axis=0)
        window = ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0], "float32")
        boxes = clip_boxes(shift_boxes(anchors, gather_rows(deltas, best)), window)
        chosen, valid = non_max_suppression(boxes, scores, self.count, PROPOSAL_OVERLAP)
        return ops.where(valid[..., None], gather_rows(boxes, chosen), 0.0), valid

    def compute_output_spec(self, objectness: Any, deltas: Any) -> tuple[Any, Any]:
        first = (objectness.shape[0], self.count)
        return keras.KerasTensor((*first, 4), "float32"), keras.KerasTensor(first, "bool")


class Detections(keras.layers.Layer):
    """The proposals whose most probable class is an object's and probable enough, the most probable first.

    A proposal is moved by its class' deltas and cut to the window; the features stay those of where it was before. See
    He et al. 2017, "Mask R-CNN", section 3.1.

    Call arguments:
        boxes, valid: as `Proposals` gives them, `[B, R, 4]` and `[B, R]`.
        scores, deltas: of each class, `[B, R, K]` and `[B, R, K, 4]`; class 0 is the background.
        features: `[B, R, f]`.
        window: `[B, 4]`, the part of the square that the picture takes.

    Returns:
        a dict of `boxes` `[B, count, 4]`, `classes` int32 `[B, count]`, `scores` `[B, count]`, `features`
        `[B, count, f]` and `valid` bool `[B, count]`, the detections before the rest.
    """

    def __init__(self, min_score: float = 0.7, count: int = 100, **kwargs: Any) -> None:
        super().__init__(**kwargs, dtype="float32")
        self.min_score = min_score
        self.count = count

    def call(self, boxes: Any, valid: Any, scores: Any, deltas: Any, features: Any, window: Any) -> dict[str, Any]:
        best = ops.cast(ops.argmax(scores, axis=-1), "int32")  # [B, R]
        score = ops.max(scores, axis=-1)
        # Of the deltas of all classes, each proposal takes those of its own.
        own = ops.take_along_axis(deltas, best[..., None, None], axis=2)[:, :, 0]
        boxes = clip_boxes(shift_boxes(boxes, own), window[:, None])
        kept = ops.logical_and(valid, ops.logical_and(best > 0, score >= self.min_score))
        score_of_kept = ops.where(kept, score, NEVER)
        chosen, valid = non_max_suppression(boxes, score_of_kept, self.count, DETECTION_OVERLAP, groups=best)
        found = {"boxes": boxes, "classes": best, "scores": score, "features": features}
        return {**{name: gather_rows(values, chosen) for name, values in found.items()}, "valid": valid}

    def compute_output_spec(self, boxes: Any, valid: Any, scores: Any, deltas: Any, features: Any, window: Any) -> dict:
        ends = {"boxes": (4,), "classes": (), "scores": (), "features": (features.shape[-1],), "valid": ()}
        dtypes = {"classes": "int32", "valid": "bool"}
        return {
            name: keras.KerasTensor((boxes.shape[0], self.count, *end), dtypes.get(name, "float32"))
            for name, end in ends.items()
        }
