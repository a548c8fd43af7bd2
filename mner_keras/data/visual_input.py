"""`VisualInput`: what a model reads of a post's picture."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class VisualInput:
    """What the encoder puts into `visual_features` and `visual_mask`.

    Args:
        kind: `regions` (a post without a picture sees the blank picture's regions, unmasked) or `objects` (it sees
            none).
        count: vectors a picture, `k`.
        dim: their width, `f`.
        extractor: the name of what made them; `None` for a model trained without pictures.
        weights: the extractor's weights.
        weights_hash: their SHA-256.
        options: the extractor's arguments, as JSON.
    """

    kind: str
    count: int
    dim: int
    extractor: str | None = None
    weights: str | None = None
    weights_hash: str | None = None
    options: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("regions", "objects"):
            raise ValueError(f"`kind` must be 'regions' or 'objects'. Received: kind={self.kind!r}")
