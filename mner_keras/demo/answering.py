"""`Answering`: what the demo's page asks of a model."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mner_keras.data.post import Post
from mner_keras.errors import InputError
from mner_keras.reproduce.figures.cases import PostCase, find_objects
from mner_keras.text import TaggerDataMissing
from mner_keras.vision.extraction import PictureFeatures
from mner_keras.vision.extractors import load_extractor
from mner_keras.vision.pictures import open_picture

if TYPE_CHECKING:
    from mner_keras.tagged_post import TaggedPost
    from mner_keras.tagger import Tagger

MOST_CHARACTERS = 5000
"""Characters that a post may have on the page."""

_ID = "picture"


class Answering:
    """Tags one post at a time, with a picture or without, and says what the model attended to.

    Args:
        model: a `Tagger`.
        pictures: pictures to swap in, paths by id.
        weights: the extractor's weights; by default those that the model's store names.

    Attributes:
        extractor: turns pictures into the model's features; `None` for a model that takes no pictures.
        no_pictures: why the model takes none; empty where it does.
    """

    def __init__(
        self, model: Tagger, pictures: Mapping[str, Path] | None = None, weights: str | Path | None = None
    ) -> None:
        self.model = model
        self.pictures = dict(pictures or {})
        self.no_pictures = ""
        self.extractor: Any = None
        try:
            self.extractor = load_extractor(model.preprocessor.visual, weights)
        except InputError as error:
            if weights is not None:
                raise
            self.no_pictures = str(error)
        self._lock = threading.Lock()

    def answer(self, text: str, picture: str | Path | None = None) -> tuple[PostCase, TaggedPost]:
        """Tag a post.

        Args:
            text: the post, as it is typed.
            picture: the path of its picture.

        Returns:
            the post with the picture, its objects and what the model attended to; and its entities with their scores.

        Raises:
            InputError: no words, too many, a picture that cannot be read, a model that takes none; a model that needs
                parts of speech where NLTK's data is not there.
        """
        if len(text) > MOST_CHARACTERS:
            raise InputError(f"expected a post of at most {MOST_CHARACTERS:,} characters, found {len(text):,}")
        try:
            post = Post.from_text(" ".join(text.split()))
        except ValueError:
            raise InputError("expected a post, found no words: type one first") from None
        features, opened = None, None
        if picture is not None:
            if self.extractor is None:
                raise InputError(self.no_pictures)
            opened = open_picture(picture)
            features = PictureFeatures({_ID: opened}, self.extractor)
            post = Post(post.tokens, image_id=_ID, text=post.text, offsets=post.offsets)
        try:
            with self._lock:
                (tagged,) = self.model.tag([post], features)
                explained = self.model.explain([post], features)[0] if self.model.explained else {}
        except TaggerDataMissing as error:
            raise InputError(str(error)) from None
        objects = find_objects(post, features, self.model)
        return PostCase(post, {self.model.name: tagged.tags}, explained, opened, objects), tagged

    def next_picture(self, picture: str | None) -> str | None:
        """The picture after one, in the order of their ids; `None` where there are none to swap in."""
        paths = [str(path) for path in self.pictures.values()]
        if not paths:
            return None
        return paths[(paths.index(picture) + 1) % len(paths)] if picture in paths else paths[0]
