"""`PictureObjects`: what is known of the objects in a picture, beside their vectors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class PictureObjects:
    """Names, places and scores of a picture's objects, in the order of their vectors.

    Args:
        names: what they are called; empty where that is not known.
        boxes: where they are, `[k, 4]`: top, left, bottom, right in pixels, the last two exclusive; `None` where that
            is not known.
        scores: how sure the extractor is, `[k]`; `None` where that is not known.
    """

    names: tuple[str, ...] = ()
    boxes: np.ndarray | None = None
    scores: np.ndarray | None = None

    @classmethod
    def of(cls, about: Mapping[str, Any], count: int) -> PictureObjects:
        """The first `count` objects of what a store's attributes or an extractor say; what does not fit is left out."""
        found = {key: about[key][:count] for key in ("names", "boxes", "scores") if about.get(key) is not None}
        names = tuple(n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in found.get("names", ()))
        boxes, scores = (np.asarray(found[key], "float64") if key in found else None for key in ("boxes", "scores"))
        if boxes is not None and boxes.shape != (len(boxes), 4):
            boxes = None
        return cls(names, boxes, scores)

    def name(self, number: int) -> str:
        """What to call an object; `object 1` where it has no name."""
        return self.names[number] if number < len(self.names) else f"object {number + 1}"
