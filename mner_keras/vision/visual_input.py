"""`VisualInput`: what a model reads of a post's picture."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mner_keras.errors import InputError

if TYPE_CHECKING:
    from mner_keras.vision.feature_store import FeatureStore


@dataclasses.dataclass(frozen=True)
class VisualInput:
    """What a model reads of a post's picture.

    Args:
        kind: `regions` (a post without a picture sees the regions of the blank picture, unmasked) or `objects` (it sees
            none).
        count: the number of vectors per picture, `k`.
        dim: their width, `f`.
        extractor: the name of the extractor that created the features, if the store names one.
        weights_hash: the SHA-256 of the extractor's weights.
        options: the extractor's options, as JSON.
        pictures: whether the posts' pictures are used; if not, every post counts as one without a picture.
    """

    kind: str
    count: int
    dim: int
    extractor: str | None = None
    weights_hash: str | None = None
    options: str | None = None
    pictures: bool = True

    def __post_init__(self) -> None:
        if self.kind not in ("regions", "objects"):
            raise ValueError(f"`kind` must be 'regions' or 'objects'. Received: kind={self.kind!r}")

    def of_store(self, store: FeatureStore, pictures: bool = True) -> VisualInput:
        """Return the same with the sizes of a store: its width, and for regions their number.

        Raises:
            InputError: the store contains the other kind of features.
        """
        attributes = store.attributes
        if attributes.get("kind", self.kind) != self.kind:
            raise InputError(f"expected a store of {self.kind}, found one of {attributes['kind']}", store.path)
        extractor = (attributes.get(name) for name in ("extractor", "weights_hash", "options"))
        count = store.count if self.kind == "regions" else self.count
        return VisualInput(self.kind, count, store.dim, *extractor, pictures)


VGG16_REGIONS = VisualInput("regions", count=49, dim=512)
"""The regions of VGG16 at 224 pixels."""

MASK_RCNN_OBJECTS = VisualInput("objects", count=3, dim=1024)
"""The three best objects of Mask R-CNN."""
