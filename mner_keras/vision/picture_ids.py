"""Picture ids: the one rule that maps the name of a picture to its id."""

from __future__ import annotations

import os
from collections.abc import Iterable

from mner_keras.errors import InputError

PICTURE_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".jpg_large", ".png", ".webp", ".gif", ".bmp")
"""File endings of pictures, browsers' and Twitter's names for JPEG among them."""


def picture_id(name: str) -> str:
    """Return a picture's id: its name without folder, ending and surrounding white space.

    Posts, feature stores and picture folders all use this function, so that `12.jpg` in one of them is `12` in the
    others. A name that is only a folder or only an ending is kept whole. An id is its own id.
    """
    base = name.replace("\\", "/").rsplit("/", 1)[-1].strip()
    while base.lower().endswith(PICTURE_ENDINGS):
        stem = base.rpartition(".")[0].rstrip()
        if not stem:
            break
        base = stem
    return base or name.strip()


def names_by_id(names: Iterable[str], path: str | os.PathLike | None = None) -> dict[str, str]:
    """Map picture ids to the names that they come from.

    Args:
        names: the names.
        path: the file or folder that holds them, for the error message.

    Raises:
        InputError: two names of one id.
    """
    found: dict[str, str] = {}
    for name in names:
        image_id = picture_id(name)
        if found.setdefault(image_id, name) != name:
            raise InputError(f"expected one picture of the id {image_id!r}, found {found[image_id]} and {name}", path)
    return found
