"""`Detections`: the objects among the proposals."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from mner_keras.vision.mask_rcnn.boxes import clip_boxes, gather_rows, shift_boxes
from mner_keras.vision.mask_rcnn.classes import BACKGROUND
from mner_keras.vision.mask_rcnn.nms import NEVER, non_max_suppression

THRESHOLD = 0.3


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
        super().__init__(dtype="float32", **kwargs)
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
        chosen, valid = non_max_suppression(boxes, ops.where(kept, score, NEVER), self.count, THRESHOLD, groups=best)
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
        config = super().get_config()
        del config["dtype"]
        return {**config, "min_score": self.min_score, "count": self.count}
