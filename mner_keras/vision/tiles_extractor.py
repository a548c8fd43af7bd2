"""`TilesExtractor`: the extractor of the sample corpus' stores."""

from __future__ import annotations

from typing import Any

from PIL import Image

from mner_keras.vision.tiles import EXTRACTOR, F_O, F_R, tiles_objects, tiles_regions


class TilesExtractor:
    """Regions or objects of drawn pictures, without a network (`mner_keras.vision.tiles`).

    Args:
        kind: `"regions"` (nine cells, `[9, f]`) or `"objects"` (`[k, f]`).
        max_objects: objects a picture gives at most.
    """

    blank_size = (96, 96)

    def __init__(self, kind: str = "regions", max_objects: int = 5) -> None:
        self.kind = kind
        self.max_objects = max_objects
        width = F_R if kind == "regions" else F_O
        self.attributes: dict[str, Any] = {"extractor": EXTRACTOR, "kind": kind, "feature_dim": width}

    def prepare(self, picture: Image.Image) -> Image.Image:
        """The picture as it is."""
        return picture

    def extract(self, prepared: list[Image.Image]) -> list[dict[str, Any]]:
        """`vectors` of each picture, and of objects their `names`, `boxes` and `scores`."""
        if self.kind == "regions":
            return [{"vectors": tiles_regions(picture)} for picture in prepared]
        keys = "vectors", "names", "boxes", "scores"
        return [dict(zip(keys, tiles_objects(picture, self.max_objects), strict=True)) for picture in prepared]
