"""`System`: the interface of everything that tags posts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from mner_keras.data.post import Post
from mner_keras.tagged_post import TaggedPost


class System(Protocol):
    """A system that learns from tagged posts, tags posts, and is saved to one file.

    A Keras model implements it as a `mner_keras.Tagger`, which is trained by epochs and may read pictures. Other
    classes implement these four methods; they read no pictures and are trained by one call of `fit`. The constructor
    takes the arguments that a run gives (`--set NAME=VALUE`), and raises `ValueError` for an invalid one. The entry in
    `mner_keras.registry` gives the class, the file and the run settings that `fit` takes.
    """

    def fit(self, posts: Iterable[Post], dev: Sequence[Post] = (), **settings: Any) -> System:
        """Train, and return the system.

        Args:
            posts: posts with tags.
            dev: posts for model selection; a system may ignore them.
            settings: the run settings (`epochs`, `seed`, ...) that the registry lists for it.
        """

    def tag(self, posts: Iterable[Post | str | Sequence[str]]) -> list[TaggedPost]:
        """Return a `TaggedPost` for each post, in order."""

    def save(self, path: str | os.PathLike) -> None:
        """Write everything needed for tagging to one file."""

    @classmethod
    def load(cls, path: str | os.PathLike) -> System:
        """Open a file that `save` wrote; raise `InputError` for any other."""
