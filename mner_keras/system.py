"""`System`: what the commands need of whatever finds names in posts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from mner_keras.data.post import Post
from mner_keras.tagged_post import TaggedPost


class System(Protocol):
    """A system that learns from posts with tags, tags posts, and lives in one file.

    A Keras model is one by being a `mner_keras.Tagger`, which runs train epoch by epoch and which may read pictures.
    Anything else is one by these four methods; it reads no pictures, and a run trains it by one call of `fit`. Its
    constructor takes the arguments that a run gives (`--set NAME=VALUE`), and raises `ValueError` for one that it
    cannot take. Its line in `mner_keras.registry` names its class, its file and the settings of a run that `fit` takes.
    """

    def fit(self, posts: Iterable[Post], dev: Sequence[Post] = (), **settings: Any) -> System:
        """Train, and return the system.

        Args:
            posts: posts with tags.
            dev: posts to select by; a system may leave them unread.
            settings: those settings of the run (`epochs`, `seed`, ...) that the registry lists for it.
        """

    def tag(self, posts: Iterable[Post | str | Sequence[str]]) -> list[TaggedPost]:
        """Return a `TaggedPost` for each post, in order."""

    def save(self, path: str | os.PathLike) -> None:
        """Write everything that tagging needs to one file."""

    @classmethod
    def load(cls, path: str | os.PathLike) -> System:
        """Open a file that `save` wrote; `InputError` for any other."""
