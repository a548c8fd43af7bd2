"""Posts with pictures that are in no store."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from mner_keras.data.post import Post
from mner_keras.vision.extraction import Extractor, PictureFeatures


def with_pictures(
    posts: Sequence[Post], pictures: Sequence[Any], extractor: Extractor
) -> tuple[list[Post], PictureFeatures]:
    """Return the posts with an id per distinct picture, and the features by these ids.

    Args:
        posts: the posts.
        pictures: a path, a PIL image or `None` per post.
        extractor: turns pictures into vectors.

    Raises:
        ValueError: the numbers of pictures and posts differ.
    """
    if isinstance(pictures, (str, bytes, os.PathLike)) or len(pictures) != len(posts):
        count = "one" if not isinstance(pictures, Sequence) or isinstance(pictures, (str, bytes)) else len(pictures)
        raise ValueError(f"`pictures` must contain one entry per post, {len(posts)}. Received: {count}")
    ids: dict[Any, str] = {}
    by_id: dict[str, Any] = {}
    named = []
    for post, picture in zip(posts, pictures, strict=True):
        image_id = None
        if picture is not None:
            key = os.fspath(picture) if isinstance(picture, (str, os.PathLike)) else id(picture)
            image_id = ids.setdefault(key, str(len(ids)))
            by_id[image_id] = picture
        named.append(dataclasses.replace(post, image_id=image_id))
    return named, PictureFeatures(by_id, extractor)
