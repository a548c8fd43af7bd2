"""`MaskRCNN`: objects in pictures, without their masks."""

from __future__ import annotations

from typing import Any

import keras

from mner_keras.vision.mask_rcnn.anchors import RATIOS
from mner_keras.vision.mask_rcnn.backbone import PYRAMID, convolution, feature_pyramid, normalised, resnet101
from mner_keras.vision.mask_rcnn.classes import CLASSES
from mner_keras.vision.mask_rcnn.detections import Detections
from mner_keras.vision.mask_rcnn.proposals import Proposals
from mner_keras.vision.mask_rcnn.roi_align import LEVELS, RoIAlign

MEAN_PIXEL = (123.7, 116.8, 103.9)
"""Red, green, blue; taken off every picture."""

SIDE = 1024
FEATURE_WIDTH = 1024
RPN_WIDTH = 512
POOL = 7


@keras.saving.register_keras_serializable("mner_keras")
class MaskRCNN(keras.Model):
    """Mask R-CNN as the Matterport implementation builds it, for inference, up to the boxes: no masks.

    ResNet-101, a feature pyramid, proposals from anchors, RoI align at each proposal, two convolutions of 1024, a class
    and a box. The layers bear that implementation's names, so that its published weights load by name
    (`mner_keras.vision.mask_rcnn.weights`). Precision by Keras' dtype policies; boxes, probabilities and detection are
    float32 under each.

    Args:
        side: the side of the square that pictures come in, in pixels: a multiple of 64. The weights were trained at
            1024; smaller squares are faster and miss small objects.
        num_proposals: proposals looked at in each picture.
        min_score: the least probability of a detection.

    Call arguments:
        inputs: a dict of `pixels` `[B, side, side, 3]`, red, green and blue from 0 to 255, and `window` float32
            `[B, 4]`: the part of the square that the picture takes, as shares of the sides.

    Returns:
        what `Detections` returns; `features` `[B, 100, 1024]` are the outputs of the second convolution of 1024, after
        batch normalisation and relu, at the proposal that the detection came from.

    Attributes:
        body: a model from `pixels` to `maps` (P2 to P5), `objectness` `[B, A]` and `deltas` `[B, A, 4]`.
        head: a model from `maps` and `boxes` `[B, R, 4]` to `features` `[B, R, 1024]`, `scores` `[B, R, 81]` and
            `deltas` `[B, R, 81, 4]`.

    Reference:
        He et al. 2017, "Mask R-CNN"; https://github.com/matterport/Mask_RCNN, version 2.

    Example:

    >>> network = MaskRCNN(side=256)
    >>> window = np.array([[0.0, 0.0, 1.0, 1.0]], "float32")
    >>> network.predict({"pixels": np.zeros((1, 256, 256, 3)), "window": window})["features"].shape
    (1, 100, 1024)
    """

    def __init__(
        self, side: int = SIDE, num_proposals: int = 1000, min_score: float = 0.7, name: str = "mask_rcnn"
    ) -> None:
        if side < 64 or side % 64:
            raise ValueError(f"`side` must be a multiple of 64. Received: side={side}")
        body, head = _body(side), _head(side, num_proposals)
        inputs = {
            "pixels": keras.Input((side, side, 3), name="pixels"),
            "window": keras.Input((4,), dtype="float32", name="window"),
        }
        found = body(inputs["pixels"])
        boxes, valid = Proposals(side, num_proposals, name="proposals")(found["objectness"], found["deltas"])
        judged = head({"maps": found["maps"], "boxes": boxes})
        detections = Detections(min_score, name="detections")(
            boxes, valid, judged["scores"], judged["deltas"], judged["features"], inputs["window"]
        )
        super().__init__(inputs, detections, name=name)
        self.body = body
        self.head = head
        self.side = side
        self.num_proposals = num_proposals
        self.min_score = min_score
        self.trainable = False

    def get_config(self) -> dict[str, Any]:
        return {
            "side": self.side,
            "num_proposals": self.num_proposals,
            "min_score": self.min_score,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> MaskRCNN:
        return cls(**config)


def _body(side: int) -> keras.Model:
    """From pixels to the pyramid, and what its every cell says of three anchors."""
    pixels = keras.Input((side, side, 3), name="pixels")
    x = keras.layers.Rescaling(1.0, [-mean for mean in MEAN_PIXEL], dtype="float32", name="less_mean_pixel")(pixels)
    maps = feature_pyramid(resnet101(x))
    # P6 is every second cell of P5; only proposals come from it.
    levels = [*maps, keras.layers.MaxPooling2D(1, 2, data_format="channels_last", name="fpn_p6")(maps[-1])]
    shared = convolution(RPN_WIDTH, 3, padding="same", activation="relu", name="rpn_conv_shared")
    classes = convolution(2 * len(RATIOS), 1, name="rpn_class_raw")
    deltas = convolution(4 * len(RATIOS), 1, name="rpn_bbox_pred")
    seen = [shared(level) for level in levels]
    logits = keras.layers.Concatenate(axis=1, name="rpn_class_logits")(
        [keras.layers.Reshape((-1, 2), name=f"rpn_class_{i}")(classes(x)) for i, x in enumerate(seen, start=2)]
    )
    outputs = {
        "maps": maps,
        # Background, then object.
        "objectness": keras.layers.Softmax(dtype="float32", name="rpn_class")(logits)[..., 1],
        "deltas": keras.layers.Concatenate(axis=1, dtype="float32", name="rpn_bbox")(
            [keras.layers.Reshape((-1, 4), name=f"rpn_bbox_{i}")(deltas(x)) for i, x in enumerate(seen, start=2)]
        ),
    }
    return keras.Model(pixels, outputs, name="body")


def _head(side: int, count: int) -> keras.Model:
    """From the pyramid and boxes to the boxes' features, classes and deltas."""
    maps = [keras.Input((side >> level, side >> level, PYRAMID), name=f"p{level}") for level in LEVELS]
    boxes = keras.Input((count, 4), dtype="float32", name="boxes")
    x = RoIAlign(side, POOL, name="roi_align_classifier")(boxes, maps)
    # Each box is a picture of 7 x 7 of its own.
    x = keras.ops.reshape(x, (-1, POOL, POOL, PYRAMID))
    x = keras.layers.ReLU(name="relu_class1")(
        normalised(x, FEATURE_WIDTH, POOL, "mrcnn_class_conv1", "mrcnn_class_bn1")
    )
    x = keras.layers.ReLU(name="relu_class2")(normalised(x, FEATURE_WIDTH, 1, "mrcnn_class_conv2", "mrcnn_class_bn2"))
    features = keras.layers.Reshape((FEATURE_WIDTH,), name="pool_squeeze")(x)
    logits = keras.layers.Dense(len(CLASSES), name="mrcnn_class_logits")(features)
    deltas = keras.layers.Dense(4 * len(CLASSES), name="mrcnn_bbox_fc")(features)
    scores = keras.layers.Softmax(dtype="float32", name="mrcnn_class")(logits)
    outputs = {
        "features": keras.ops.reshape(keras.ops.cast(features, "float32"), (-1, count, FEATURE_WIDTH)),
        "scores": keras.ops.reshape(scores, (-1, count, len(CLASSES))),
        "deltas": keras.ops.reshape(keras.ops.cast(deltas, "float32"), (-1, count, len(CLASSES), 4)),
    }
    return keras.Model({"maps": maps, "boxes": boxes}, outputs, name="head")
