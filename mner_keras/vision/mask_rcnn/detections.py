"""`Proposals`, where the network supposes objects, and `Detections`, the objects among them."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from mner_keras.vision.mask_rcnn.boxes import (
    NEVER,
    clip_boxes,
    gather_rows,
    make_anchors,
    non_max_suppression,
    shift_boxes,
)

CONSIDERED = 6000
"""Anchors that proposals are chosen from."""

PROPOSAL_OVERLAP = 0.7
DETECTION_OVERLAP = 0.3
BACKGROUND = 0

_NAMES = """
background, person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant,
stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack,
umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove,
skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich,
orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv,
laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase,
scissors, teddy bear, hair drier, toothbrush
"""

CLASSES = tuple(name.strip() for name in _NAMES.split(","))
"""COCO's 80 classes after the background, in the order of the network's outputs."""


@keras.saving.register_keras_serializable("mner_keras")
class Proposals(keras.layers.Layer):
    """The best of the anchors, moved, cut to the picture, and without those that overlap a better one.

    The 6000 anchors of the best score are moved by their deltas; of two that overlap by more than 0.7 the lesser goes.

    Args:
        side: the picture's side in pixels.
        count: proposals a picture gives at most.

    Call arguments:
        objectness: `[B, A]`, the probability that an anchor holds an object.
        deltas: `[B, A, 4]`, as `shift_boxes` takes them.

    Returns:
        float32 `[B, count, 4]`, the best first, as shares of the sides, and bool `[B, count]`: which of them are
        proposals; the rest are zeros.

    Reference:
        Ren et al. 2015, "Faster R-CNN", section 3.1; He et al. 2017, "Mask R-CNN".
    """

    def __init__(self, side: int, count: int = 1000, **kwargs: Any) -> None:
        # The coordinates of a large picture's boxes need more digits than half precision has.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.side = side
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
        batch = objectness.shape[0]
        boxes = keras.KerasTensor((batch, self.count, 4), "float32")
        return boxes, keras.KerasTensor((batch, self.count), "bool")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "side": self.side, "count": self.count}


@keras.saving.register_keras_serializable("mner_keras")
class Detections(keras.layers.Layer):
    """The proposals whose most probable class is an object's and probable enough, the most probable first.

    A proposal is moved by its class' deltas and cut to the window; of two of the same class that overlap by more than
    0.3 the less probable goes. The features stay those of the proposal as it was before it was moved.

    Args:
        min_score: the least probability of a detection's class.
        count: detections a picture gives at most.

    Call arguments:
        boxes: `[B, R, 4]`, the proposals, and `valid` bool `[B, R]`: which of them there are.
        scores: `[B, R, K]`, the classes' probabilities; class 0 is the background.
        deltas: `[B, R, K, 4]`, each class' own, as `shift_boxes` takes them.
        features: `[B, R, f]`.
        window: `[B, 4]`, the part of the square that the picture takes.

    Returns:
        a dict of `boxes` `[B, count, 4]`, `classes` int32 `[B, count]`, `scores` `[B, count]`, `features`
        `[B, count, f]` and `valid` bool `[B, count]`, the detections before the rest.

    Reference:
        He et al. 2017, "Mask R-CNN", section 3.1, as the Matterport implementation has it.
    """

    def __init__(self, min_score: float = 0.7, count: int = 100, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.min_score = min_score
        self.count = count

    def call(self, boxes: Any, valid: Any, scores: Any, deltas: Any, features: Any, window: Any) -> dict[str, Any]:
        number, classes = scores.shape[1], scores.shape[2]
        best = ops.cast(ops.argmax(scores, axis=-1), "int32")  # [B, R]
        score = ops.max(scores, axis=-1)
        # Each proposal's deltas are a row for each class; it takes its own.
        own = ops.arange(number, dtype="int32") * classes + best
        boxes = shift_boxes(boxes, gather_rows(ops.reshape(deltas, (-1, number * classes, 4)), own))
        boxes = clip_boxes(boxes, window[:, None])
        kept = ops.logical_and(valid, ops.logical_and(best != BACKGROUND, score >= self.min_score))
        chosen, valid = non_max_suppression(
            boxes, ops.where(kept, score, NEVER), self.count, DETECTION_OVERLAP, groups=best
        )
        return {
            "boxes": gather_rows(boxes, chosen),
            "classes": gather_rows(best, chosen),
            "scores": gather_rows(score, chosen),
            "features": gather_rows(features, chosen),
            "valid": valid,
        }

    def compute_output_spec(self, boxes: Any, valid: Any, scores: Any, deltas: Any, features: Any, window: Any) -> dict:
        first = (boxes.shape[0], self.count)
        return {
            "boxes": keras.KerasTensor((*first, 4), "float32"),
            "classes": keras.KerasTensor(first, "int32"),
            "scores": keras.KerasTensor(first, "float32"),
            "features": keras.KerasTensor((*first, features.shape[-1]), "float32"),
            "valid": keras.KerasTensor(first, "bool"),
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "min_score": self.min_score, "count": self.count}
