"""`Proposals`: where the network supposes objects."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from mner_keras.vision.mask_rcnn.anchors import make_anchors
from mner_keras.vision.mask_rcnn.boxes import clip_boxes, gather_rows, shift_boxes
from mner_keras.vision.mask_rcnn.nms import non_max_suppression

CONSIDERED = 6000
THRESHOLD = 0.7


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
        super().__init__(dtype="float32", **kwargs)
        self.side = side
        self.count = count
        self.anchors = make_anchors(side)

    def call(self, objectness: Any, deltas: Any) -> tuple[Any, Any]:
        scores, best = ops.top_k(objectness, min(CONSIDERED, len(self.anchors)))
        anchors = ops.take(self.anchors, best, axis=0)
        window = ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0], "float32")
        boxes = clip_boxes(shift_boxes(anchors, gather_rows(deltas, best)), window)
        chosen, valid = non_max_suppression(boxes, scores, self.count, THRESHOLD)
        return ops.where(valid[..., None], gather_rows(boxes, chosen), 0.0), valid

    def compute_output_spec(self, objectness: Any, deltas: Any) -> tuple[Any, Any]:
        batch = objectness.shape[0]
        boxes = keras.KerasTensor((batch, self.count, 4), "float32")
        return boxes, keras.KerasTensor((batch, self.count), "bool")

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["dtype"]
        return {**config, "side": self.side, "count": self.count}
