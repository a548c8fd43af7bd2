"""The extractor that a model's features came from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mner_keras.errors import InputError
from mner_keras.vision.extraction import Extractor

if TYPE_CHECKING:
    from mner_keras.data.encoder import VisualInput

EXTRACTORS = ("vgg16", "tiles")
_BATCH = 4  # pictures: one alone is not made to wait for many


def load_extractor(visual: VisualInput | None, weights: str | os.PathLike | None = None) -> Extractor:
    """The extractor that made the features a model was trained on.

    Args:
        visual: what the model's encoder says of its pictures.
        weights: the extractor's weights; by default the file that the store named, where it still is, else those that
            are downloaded.

    Raises:
        InputError: a model that reads no pictures or was trained without them, features that this package cannot make,
            other weights than those that the features were made with.
    """
    if visual is None:
        raise InputError("the model reads the text alone: it takes no pictures")
    if visual.extractor is None:
        raise InputError("the model was trained without pictures: it takes none")
    if visual.extractor == "tiles":
        from mner_keras.vision.tiles_extractor import TilesExtractor

        return TilesExtractor(visual.kind, visual.count)
    if visual.extractor != "vgg16":
        raise InputError(
            f"expected features that this package can make ({', '.join(EXTRACTORS)}), found {visual.extractor!r}: this "
            "model takes pictures from a store"
        )
    from mner_keras.vision.vgg16 import IMAGENET, VGG16Regions

    if weights is None and visual.weights not in (None, "", IMAGENET) and os.path.isfile(visual.weights):
        weights = visual.weights
    extractor = VGG16Regions(weights, _BATCH)
    made_with, found = visual.weights_hash, extractor.attributes["weights_hash"]
    if made_with and made_with != found:
        expected = f"the weights that the model's features were made with ({made_with[:12]}...)"
        raise InputError(f"expected {expected}, found others ({found[:12]}...); --weights names a file", weights)
    return extractor
