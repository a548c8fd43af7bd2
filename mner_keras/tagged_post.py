"""`TaggedPost`, a post with a model's tags and entities, and `System`, the interface of everything that tags posts."""

import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from mner_keras.data.post import Entity, Post, entity_spans

if TYPE_CHECKING:
    from mner_keras.vision.extraction import Extractor, PictureFeatures


@dataclasses.dataclass(frozen=True)
class TaggedPost:
    """A model's output for a post: the post itself, one tag per token, and the entities.

    `certainty` is the smallest probability of any of the tags, `None` without scores.
    """

    post: Post
    tags: tuple[str, ...]
    entities: tuple[Entity, ...]
    certainty: float | None = dataclasses.field(default=None, compare=False, repr=False)

    def above(self, score: float) -> Self:
        """Return the same without the entities of a lower score; their tokens have the tag `O`."""
        kept = tuple(entity for entity in self.entities if entity.score >= score)
        inside = {place for entity in kept for place in range(entity.start, entity.end)}
        tags = tuple(tag if place in inside else "O" for place, tag in enumerate(self.tags))
        return dataclasses.replace(self, tags=tags, entities=kept)

    def _repr_html_(self) -> str:
        from mner_keras.views.post_view import tagged_html  # the only import of a view from below

        return tagged_html(self)


class System(Protocol):
    """A system that learns from tagged posts, tags posts, and is saved to one file.

    A Keras model implements it as a `mner_keras.Tagger`, which is trained by epochs and may read pictures. Other
    classes implement these four methods; they read no pictures and are trained by one call of `fit`. The constructor
    takes the arguments that a run gives (`--set NAME=VALUE`), and raises `ValueError` for an invalid one.
    """

    def fit(self, posts: Iterable[Post], dev: Sequence[Post] = (), **settings: Any) -> Self:
        """Train on posts with tags; `settings` are the run settings that the registry lists (`epochs`, `seed`, ...)."""

    def tag(self, posts: Iterable[Post | str | Sequence[str]]) -> list[TaggedPost]:
        """Return a `TaggedPost` for each post, in order."""

    def save(self, path: str | os.PathLike) -> None:
        """Write everything needed for tagging to one file."""

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Open a file that `save` wrote; raise `InputError` for any other."""


def as_post(post: Post | str | Sequence[str]) -> Post:
    """Return a post from a post, a plain text, or a list of tokens."""
    if isinstance(post, Post):
        return post
    return Post.from_text(post) if isinstance(post, str) else Post(tuple(post))


def with_pictures(
    posts: Sequence[Post], pictures: Sequence[Any], extractor: "Extractor"
) -> tuple[list[Post], "PictureFeatures"]:
    """Return the posts with an id per distinct picture (a path, a PIL image or `None` for each), and the features."""
    from mner_keras.vision.extraction import PictureFeatures

    alone = isinstance(pictures, (str, bytes, os.PathLike))
    if alone or len(pictures) != len(posts):
        count = "one" if alone else len(pictures)
        raise ValueError(f"`pictures` must contain one entry per post, {len(posts)}. Received: {count}")
    keys = [os.fspath(one) if isinstance(one, (str, os.PathLike)) else id(one) for one in pictures]
    distinct = {key: picture for key, picture in zip(keys, pictures, strict=True) if picture is not None}
    ids = {key: str(number) for number, key in enumerate(distinct)}
    named = [dataclasses.replace(post, image_id=ids.get(key)) for post, key in zip(posts, keys, strict=True)]
    return named, PictureFeatures({ids[key]: picture for key, picture in distinct.items()}, extractor)


def tagged_post(post: Post, tags: tuple[str, ...], scores: Sequence[float] | None) -> TaggedPost:
    """Return a post with its tags and entities; an entity's score is the smallest of its tokens' `scores`, if any."""
    entities = []
    for kind, start, end in entity_spans(tags):
        text, first, last = " ".join(post.tokens[start:end]), None, None
        if post.offsets is not None:
            first, last = post.offsets[start][0], post.offsets[end - 1][1]
            text = post.text[first:last]
        score = None if scores is None else float(min(scores[start:end]))
        entities.append(Entity(text, kind, start, end, score, first, last))
    return TaggedPost(post, tags, tuple(entities), None if scores is None else float(min(scores[: len(tags)])))
