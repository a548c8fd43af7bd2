"""What Mask R-CNN computes of pictures on the backend that is set: its body and its head."""

import sys

import keras
import numpy as np
from legacy_file import to_arrays

from mner_keras.vision.mask_rcnn.extractor import load_weights
from mner_keras.vision.mask_rcnn.network import MaskRCNN


def compute(network, pixels, boxes):
    """All that the network computes beside the two suppressions, as arrays by name."""
    # Called as they are: each would take longer to compile than to run once.
    found = network.body(pixels, training=False)
    judged = network.head({"maps": found["maps"], "boxes": keras.ops.convert_to_tensor(boxes)}, training=False)
    return to_arrays(found) | {f"head_{key}": value for key, value in to_arrays(judged).items()}


if __name__ == "__main__":
    weights, given, result = sys.argv[1:]
    with np.load(given) as arrays:
        pixels, boxes = arrays["pixels"], arrays["boxes"]
    network = MaskRCNN(pixels.shape[1], boxes.shape[1])
    load_weights(network, weights)
    np.savez(result, **compute(network, pixels, boxes))
