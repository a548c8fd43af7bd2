"""`PictureFeatures`: features made of pictures when they are asked for."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from mner_keras.vision.extraction import Extractor
from mner_keras.vision.picture_ids import names_by_id
from mner_keras.vision.picture_objects import PictureObjects
from mner_keras.vision.pictures import PictureError, open_picture

_KEPT = 256


class PictureFeatures:
    """Reads like a `FeatureStore`, but makes the features of the pictures that are asked for.

    Args:
        pictures: paths or PIL images by image id.
        extractor: turns pictures into vectors.

    Attributes:
        failed: the reason by image id, for pictures that could not be read; they read like ones that are not there.
    """

    path = "pictures"
    """What an error message calls it."""

    def __init__(self, pictures: Mapping[str, str | os.PathLike | Image.Image], extractor: Extractor) -> None:
        self.pictures = {image_id: pictures[name] for image_id, name in names_by_id(pictures).items()}
        self.extractor = extractor
        self.dim = int(extractor.attributes["feature_dim"])
        self.failed: dict[str, str] = {}
        self._made: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def __contains__(self, image_id: object) -> bool:
        return image_id in self.pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def read(self, image_ids: Sequence[str | None], count: int) -> tuple[np.ndarray, np.ndarray]:
        """The first `count` vectors of each picture: float32 `[len(image_ids), count, f]` and mask `[.., count]`."""
        found = self._make([image_id for image_id in dict.fromkeys(image_ids) if image_id in self.pictures])
        features = np.zeros((len(image_ids), count, self.dim), "float32")
        mask = np.zeros((len(image_ids), count), bool)
        for row, image_id in enumerate(image_ids):
            if image_id in found:
                vectors = found[image_id]["vectors"][:count]
                features[row, : len(vectors)] = vectors
                mask[row, : len(vectors)] = True
        return features, mask

    def objects(self, image_id: str | None, count: int) -> PictureObjects:
        """Names, boxes and scores of a picture's first `count` objects, as far as the extractor tells them."""
        found = self._make([image_id] if image_id in self.pictures else [])
        return PictureObjects.of(found.get(image_id, {}), count)

    def _make(self, image_ids: list[str]) -> dict[str, dict[str, Any]]:
        found = {image_id: self._made[image_id] for image_id in image_ids if image_id in self._made}
        prepared = {}
        for image_id in image_ids:
            if image_id in found or image_id in self.failed:
                continue
            try:
                prepared[image_id] = self.extractor.prepare(open_picture(self.pictures[image_id]))
            except PictureError as error:
                self.failed[image_id] = str(error)
        if prepared:
            made = self.extractor.extract(list(prepared.values()))
            found.update(zip(prepared, made, strict=True))
        self._made.update(found)
        while len(self._made) > _KEPT:
            self._made.popitem(last=False)
        return found
