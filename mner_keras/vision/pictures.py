"""Pictures: their objects, where they are and their pixels in RGB, whatever people's folders hold."""

import contextlib
import dataclasses
import io
import os
import stat
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image, ImageFile, ImageOps

from mner_keras.errors import InputError
from mner_keras.vision.visual_input import PICTURE_ENDINGS, names_by_id

BLANK = "_blank"  # the id of the blank picture, which stands for the pictures that posts lack
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
LARGE = 25_000_000  # pixels; a picture of more is made smaller while it is opened, so that its copies do not add up
_SIDE = 4096  # pixels a side that a large picture keeps at most
_WEBP_LIMIT = 50_000_000  # pixels; its decoder takes 16 bytes for each
_one_large = threading.Lock()  # threads that read large pictures take turns: one may need most of a gigabyte


class PictureError(InputError):
    """A picture that cannot be read: the message holds the path and the reason."""


@dataclasses.dataclass(frozen=True)
class PictureObjects:
    """Names, boxes and scores of a picture's objects, in the order of their vectors.

    Args:
        names: empty if unknown.
        boxes: `[k, 4]`: top, left, bottom, right in pixels, the last two exclusive; `None` if unknown.
        scores: the extractor's confidence, `[k]`; `None` if unknown.
    """

    names: tuple[str, ...] = ()
    boxes: np.ndarray | None = None
    scores: np.ndarray | None = None

    @classmethod
    def of(cls, about: Mapping[str, Any], count: int) -> Self:
        """Take the first `count` objects from a store's attributes or an extractor's output; drop invalid boxes."""
        found = {key: about[key][:count] for key in ("names", "boxes", "scores") if about.get(key) is not None}
        names = tuple(n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in found.get("names", ()))
        boxes, scores = (np.asarray(found[key], "float64") if key in found else None for key in ("boxes", "scores"))
        if boxes is not None and (boxes.shape != (len(boxes), 4) or not np.isfinite(boxes).all()):
            boxes = None
        return cls(names, boxes, scores)

    def name(self, number: int) -> str:
        """Return an object's name, or `object 1` if it has none."""
        return self.names[number] if number < len(self.names) else f"object {number + 1}"


def open_picture(picture: str | os.PathLike | bytes | Image.Image) -> Image.Image:
    """Open a picture (a path, a file's bytes or a PIL image) in RGB, upright, with transparency flattened onto white.

    Reads JPEG, PNG, WebP, GIF and BMP by their content, not by the file's ending; of an animation, the first frame.
    CMYK, grey, palette and 16 bits a channel become RGB of 8 bits; the orientation in the EXIF data is applied. A
    picture of more than 25 million pixels is brought down to 4096 pixels a side at most.

    Raises:
        PictureError: no file or not a regular one, none of the formats, an empty, truncated or damaged file, more
            pixels than `PIL.Image.MAX_IMAGE_PIXELS` (a WebP: than 50 million).
    """
    if not isinstance(picture, (str, os.PathLike, bytes, Image.Image)):
        raise TypeError(f"`picture` must be a PIL image, a path or bytes. Received: {type(picture).__name__}")
    path = None if isinstance(picture, (bytes, Image.Image)) else picture
    try:
        if isinstance(picture, bytes):
            picture = Image.open(io.BytesIO(picture), formats=FORMATS)
        if path is None:
            return _in_rgb(picture)
        if "\0" in str(path):
            raise PictureError("cannot be read: embedded null byte")
        about = os.stat(path)
        # Opening a pipe would wait for its other end.
        if not stat.S_ISREG(about.st_mode):
            raise PictureError("is no file")
        if about.st_size == 0:
            raise PictureError("the file is empty")
        with open(path, "rb") as file:
            return _in_rgb(Image.open(file, formats=FORMATS))
    except Exception as error:  # noqa: BLE001 (Pillow's readers raise whatever a damaged file leads to)
        raise PictureError(_reason(error), path) from None


def find_pictures(places: Iterable[str | os.PathLike]) -> tuple[dict[str, Path], list[str]]:
    """Return the paths of pictures, files and those in folders, by `picture_id`, and the names that were ignored.

    Of a folder, subfolders, hidden files and files without a picture's ending are ignored. Both are sorted.

    Raises:
        InputError: no such folder, two files of one id, a picture of the blank picture's id, no picture at all.
    """
    paths, passed = [], []
    places = [Path(place) for place in places]
    for place in places:
        if place.is_dir():
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or not entry.name.lower().endswith(PICTURE_ENDINGS) or entry.is_dir():
                        passed.append(entry.name)
                    else:
                        paths.append(Path(entry.path))
        elif os.path.lexists(place):
            paths.append(place)
        else:
            raise InputError("expected a folder of pictures or a picture, found no such thing", place)
    found = {image_id: Path(name) for image_id, name in sorted(names_by_id(map(str, sorted(paths))).items())}
    if BLANK in found:
        raise InputError(f"the id {BLANK!r} stands for the blank picture: rename the file", found[BLANK])
    if not found:
        raise InputError(f"expected pictures ({', '.join(PICTURE_ENDINGS)}), found none", places[0] if places else None)
    return found, sorted(passed)


def _reason(error: Exception) -> str:
    if isinstance(error, PictureError):
        return error.reason
    if isinstance(error, Image.UnidentifiedImageError):
        return f"is no picture in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    if isinstance(error, Image.DecompressionBombError):
        return "holds more pixels than Pillow's limit, as a decompression bomb does"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"  # the disk's word, not Pillow's
    reason = str(error).partition("\n")[0] or type(error).__name__
    return f"is damaged: {reason}"


def _in_rgb(image: Image.Image) -> Image.Image:
    pixels = image.width * image.height
    if Image.MAX_IMAGE_PIXELS is not None and pixels > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError
    if image.format == "WEBP" and pixels > _WEBP_LIMIT:
        raise PictureError(f"holds more pixels than is safe to decode: {pixels:,} of WebP")
    if not pixels:
        raise PictureError("holds no pixels")
    with _one_large if pixels > LARGE else contextlib.nullcontext():
        if pixels > LARGE:
            if isinstance(image, ImageFile.ImageFile):
                image.draft(None, (_SIDE, _SIDE))  # a JPEG can be decoded at a fraction of its size
            image = ImageOps.contain(image, (_SIDE, _SIDE), Image.Resampling.BOX)
        image.load()
        with contextlib.suppress(Exception):  # the pixels are whole: a damaged EXIF record turns nothing
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16") or image.mode in ("I", "F"):
            # Grey of 16 or 32 bits: 65,535 is white.
            values = np.rint(np.asarray(image).astype("float32") / 257.0)
            return Image.fromarray(np.clip(values, 0, 255).astype("uint8")).convert("RGB")
        if image.has_transparency_data:
            rgba = image.convert("RGBA")
            white = Image.new("RGB", rgba.size, "white")
            white.paste(rgba, mask=rgba.getchannel("A"))
            return white
        return image.convert("RGB")
