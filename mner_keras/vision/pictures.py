"""Find pictures and open them, whatever people's folders hold."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps

from mner_keras.errors import InputError
from mner_keras.vision.feature_store import BLANK
from mner_keras.vision.picture_ids import PICTURE_ENDINGS, names_by_id

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
LARGE = 25_000_000
"""Pixels above which a picture is made smaller while it is opened, so that its copies do not add up."""

_SIDE = 4096  # pixels a side that a large picture keeps at most
_WEBP_LIMIT = 50_000_000  # pixels; its decoder takes 16 bytes for each
_one_large = threading.Lock()  # threads that read large pictures take turns: one may need most of a gigabyte


class PictureError(InputError):
    """A picture that cannot be read: the message holds the path and the reason.

    Args:
        reason: what is wrong with it.
        path: the file, if it came from one.
    """

    def __init__(self, reason: str, path: str | os.PathLike | None = None) -> None:
        self.reason = reason
        super().__init__(reason, path)


def open_picture(picture: str | os.PathLike | Image.Image) -> Image.Image:
    """A picture in RGB, upright, on white where it is transparent.

    Reads JPEG, PNG, WebP, GIF and BMP by their content, not by the file's ending; of an animation, the first frame.
    CMYK, grey, palette and 16 bits a channel become RGB of 8 bits; the orientation in the EXIF data is applied. A
    picture of more than 25 million pixels is brought down to 4096 pixels a side at most.

    Args:
        picture: a path, or a PIL image.

    Returns:
        a PIL image of mode RGB.

    Raises:
        PictureError: no file or not a regular one, none of the formats, an empty, truncated or damaged file, more
            pixels than `PIL.Image.MAX_IMAGE_PIXELS` (a WebP: than 50 million).
        TypeError: neither a path nor a PIL image.
    """
    if isinstance(picture, Image.Image):
        return _guarded(picture, None)
    if not isinstance(picture, (str, os.PathLike)):
        raise TypeError(f"`picture` must be a PIL image or a path. Received: {type(picture).__name__}")
    try:
        about = os.stat(picture)
        # Opening a pipe would wait for its other end.
        if not stat.S_ISREG(about.st_mode):
            raise PictureError("is no file", picture)
        if about.st_size == 0:
            raise PictureError("the file is empty", picture)
        with open(picture, "rb") as file:
            try:
                image = Image.open(file, formats=FORMATS)
            except Image.UnidentifiedImageError:
                raise PictureError(f"is no picture in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}", picture) from None
            except Image.DecompressionBombError:
                raise PictureError(_TOO_LARGE, picture) from None
            except Exception as error:  # noqa: BLE001 (Pillow's readers raise whatever a damaged header leads to)
                raise PictureError(_damage(error), picture) from None
            return _guarded(image, picture)
    except OSError as error:
        raise PictureError(_damage(error), picture) from None
    except ValueError as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"cannot be read: {error}", picture) from None  # a null byte in the path


def find_pictures(places: Iterable[str | os.PathLike]) -> tuple[dict[str, Path], list[str]]:
    """The pictures in folders, by their id: the name without its ending.

    Subfolders are not searched; hidden files and files without a picture's ending are passed over. A file that is named
    itself is taken whatever its ending.

    Args:
        places: folders and files.

    Returns:
        the paths by id, in the order of the ids, and the names of the entries that were passed over, sorted.

    Raises:
        InputError: no such folder, two files of one id, a picture whose id is that of the blank picture, no
            picture at all.
    """
    paths: list[Path] = []
    passed: list[str] = []
    places = [Path(place) for place in places]
    for place in places:
        if place.is_dir():
            with os.scandir(place) as entries:
                for entry in entries:
                    if _is_picture(entry):
                        paths.append(Path(entry.path))
                    else:
                        passed.append(entry.name)
        elif os.path.lexists(place):
            paths.append(place)
        else:
            raise InputError("expected a folder of pictures or a picture, found no such thing", place)
    found = {image_id: Path(name) for image_id, name in names_by_id(map(str, sorted(paths))).items()}
    if BLANK in found:
        raise InputError(f"the id {BLANK!r} stands for the blank picture: rename the file", found[BLANK])
    if not found:
        raise InputError(f"expected pictures ({', '.join(PICTURE_ENDINGS)}), found none", places[0] if places else None)
    return dict(sorted(found.items())), sorted(passed)


_TOO_LARGE = "holds more pixels than Pillow's limit, as a decompression bomb does"


def _is_picture(entry: os.DirEntry) -> bool:
    name = entry.name
    return not name.startswith(".") and name.lower().endswith(PICTURE_ENDINGS) and not entry.is_dir()


def _guarded(image: Image.Image, path: str | os.PathLike | None) -> Image.Image:
    """`_in_rgb`, any failure of which is the picture's."""
    limit = Image.MAX_IMAGE_PIXELS
    pixels = image.width * image.height
    if limit is not None and pixels > limit:
        raise PictureError(_TOO_LARGE, path)
    if image.format == "WEBP" and pixels > _WEBP_LIMIT:
        raise PictureError(f"holds more pixels than is safe to decode: {pixels:,} of WebP", path)
    if not image.width or not image.height:
        raise PictureError("holds no pixels", path)
    try:
        with _one_large if pixels > LARGE else contextlib.nullcontext():
            return _in_rgb(image)
    except Image.DecompressionBombError:
        raise PictureError(_TOO_LARGE, path) from None
    except Exception as error:  # noqa: BLE001 (Pillow's readers raise whatever a damaged file leads to)
        raise PictureError(_damage(error), path) from None


def _damage(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"  # the disk's word, not Pillow's
    reason = str(error).partition("\n")[0] or type(error).__name__
    return f"is damaged: {reason}"


def _in_rgb(image: Image.Image) -> Image.Image:
    if image.width * image.height > LARGE:
        image = _smaller(image)
    image.load()
    with contextlib.suppress(Exception):  # the pixels are whole: a damaged EXIF record turns nothing
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _from_deep_grey(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", rgba.size, "white")
        white.paste(rgba, mask=rgba.getchannel("A"))
        return white
    return image.convert("RGB")


def _smaller(image: Image.Image) -> Image.Image:
    """A large picture at no more than `_SIDE` pixels a side."""
    if isinstance(image, ImageFile.ImageFile):
        image.draft(None, (_SIDE, _SIDE))  # a JPEG can be decoded at a fraction of its size
    image.load()
    if max(image.size) <= _SIDE:
        return image
    scale = _SIDE / max(image.size)
    target = tuple(max(1, round(side * scale)) for side in image.size)
    # A palette has no shades between two of its colours.
    method = Image.Resampling.NEAREST if image.mode in ("P", "PA") else Image.Resampling.BOX
    return image.resize(target, method)


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """RGB from grey of 16 or 32 bits: 65,535 is white."""
    values = np.asarray(image).astype("float32") / 257.0
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype("uint8")).convert("RGB")
