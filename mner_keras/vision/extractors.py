"""The extractor that a model's features came from."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from mner_keras.errors import InputError
from mner_keras.files import Progress, no_progress
from mner_keras.vision.extraction import Extractor

if TYPE_CHECKING:
    from mner_keras.vision.visual_input import VisualInput

EXTRACTORS = ("vgg16", "mask-rcnn", "tiles", "backbone")

MASK_RCNN_OPTIONS = ("top", "min_score", "side", "num_proposals")
"""Arguments of `MaskRCNNObjects` that its stores record and a model keeps."""


def load_extractor(
    visual: VisualInput | None,
    weights: str | os.PathLike | None = None,
    progress: Progress = no_progress,
) -> Extractor:
    """The extractor that made the features a model was trained on.

    Args:
        visual: the visual input of the model's preprocessor.
        weights: a file of weights or a folder of a KerasHub preset; by default the published ones, downloaded.
        progress: called with the bytes of a download done and their number.

    Raises:
        InputError: a model that reads no pictures or was trained without them, features that this package cannot make,
            other weights than those that the features were made with.
    """
    if visual is None:
        raise InputError("the model reads the text alone: it takes no pictures")
    if not visual.pictures or visual.extractor is None:
        raise InputError("the model was trained without pictures: it takes none")
    if visual.extractor == "tiles":
        from mner_keras.vision.tiles import TilesExtractor

        if weights is not None:
            raise InputError("the model's features, tiles, are made without weights: --weights names some", weights)
        return TilesExtractor(visual.kind, visual.count)
    if visual.extractor == "words":
        raise InputError("the model's features came from words: use --features with a store of words, not pictures")
    if visual.extractor not in EXTRACTORS:
        raise InputError(
            f"expected features that this package can make ({', '.join(EXTRACTORS)}), found {visual.extractor!r}: this "
            "model takes pictures from a store"
        )
    if visual.extractor == "vgg16":
        from mner_keras.vision.vgg16 import VGG16Regions

        extractor: Extractor = VGG16Regions(weights, batch_size=4)  # one picture alone is not made to wait for many
    elif visual.extractor == "backbone":
        from mner_keras.vision.backbones import BackboneRegions

        preset = weights or json.loads(visual.options or "{}").get("preset")
        if preset is None:
            raise InputError("the model's features came from a KerasHub preset in a folder: name it with --weights")
        extractor = BackboneRegions(preset, batch_size=4)
    else:
        from mner_keras.vision.mask_rcnn import MaskRCNNObjects

        options = json.loads(visual.options or "{}")
        if unknown := options.keys() - set(MASK_RCNN_OPTIONS):
            expected = f"options of Mask R-CNN ({', '.join(MASK_RCNN_OPTIONS)})"
            raise InputError(
                f"expected {expected}, found {', '.join(sorted(unknown))}: the model is of another version"
            )
        extractor = MaskRCNNObjects(weights, **options, progress=progress)
    made_with, found = visual.weights_hash, extractor.attributes["weights_hash"]
    if made_with and made_with != found:
        expected = f"the weights that the model's features were made with ({made_with[:12]}...)"
        raise InputError(f"expected {expected}, found others ({found[:12]}...); --weights names a file", weights)
    return extractor
