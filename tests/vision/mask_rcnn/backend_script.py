"""What Mask R-CNN computes of pictures on the backend that is set: body, head, and the detections among the head's."""

import sys

import numpy as np
from legacy_file import to_arrays

from mner_keras.vision.mask_rcnn.network import MaskRCNN
from mner_keras.vision.mask_rcnn.weights import load_weights


def compute(network, pixels, boxes):
    """Everything before the two suppressions, as arrays by name."""
    found = network.body.predict_on_batch(pixels)
    judged = network.head.predict_on_batch({"maps": found["maps"], "boxes": boxes})
    return to_arrays(found) | {f"head_{key}": value for key, value in to_arrays(judged).items()}


if __name__ == "__main__":
    weights, given, result = sys.argv[1:]
    with np.load(given) as arrays:
        pixels, boxes = arrays["pixels"], arrays["boxes"]
    network = MaskRCNN(pixels.shape[1], boxes.shape[1])
    load_weights(network, weights)
    np.savez(result, **compute(network, pixels, boxes))
