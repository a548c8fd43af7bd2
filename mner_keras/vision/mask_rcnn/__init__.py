"""Mask R-CNN: the objects in a picture, as AGBAN reads them."""

from mner_keras.vision.mask_rcnn.extractor import MaskRCNNObjects
from mner_keras.vision.mask_rcnn.network import MaskRCNN

__all__ = ["MaskRCNN", "MaskRCNNObjects"]
