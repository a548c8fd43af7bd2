"""`PictureShelf`: the pictures that a page holds, each once and small."""

from __future__ import annotations

import base64
import dataclasses
import io

from PIL import Image

SIDE = 320
"""Pixels that a picture's longer side keeps on the page."""

_QUALITY = 72


@dataclasses.dataclass(frozen=True)
class ShelvedPicture:
    """A picture of the page.

    Args:
        key: the id of its element.
        width: in pixels, before it was made smaller: what the objects' boxes are counted in.
        height: the same.
        data: a data URI.
    """

    key: str
    width: int
    height: int
    data: str


class PictureShelf:
    """Small JPEGs by the pictures' ids."""

    def __init__(self) -> None:
        self._pictures: dict[str, ShelvedPicture] = {}

    def add(self, name: str, picture: Image.Image) -> ShelvedPicture:
        """Put a picture on the shelf, if one of this name does not stand there yet."""
        if name not in self._pictures:
            small = picture.convert("RGB")
            small.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
            stream = io.BytesIO()
            small.save(stream, "JPEG", quality=_QUALITY, optimize=True)
            data = "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
            key = f"picture-{len(self._pictures) + 1}"
            self._pictures[name] = ShelvedPicture(key, *picture.size, data)
        return self._pictures[name]

    @property
    def pictures(self) -> list[ShelvedPicture]:
        """All of them."""
        return list(self._pictures.values())
