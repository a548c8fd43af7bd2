"""`TaggedPost`: a post with a model's tags and entities."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mner_keras.data.entities import Entity, entity_spans
from mner_keras.data.post import Post


@dataclasses.dataclass(frozen=True)
class TaggedPost:
    """A model's output for a post: the post itself, one tag per token, and the entities."""

    post: Post
    tags: tuple[str, ...]
    entities: tuple[Entity, ...]

    def _repr_html_(self) -> str:
        from mner_keras.views.post_view import tagged_html  # the only import of a view from below

        return tagged_html(self)


def as_post(post: Post | str | Sequence[str]) -> Post:
    """Return a post from a post, a plain text, or a list of tokens."""
    if isinstance(post, Post):
        return post
    return Post.from_text(post) if isinstance(post, str) else Post(tuple(post))


def tagged_post(post: Post, tags: tuple[str, ...], scores: Sequence[float] | None) -> TaggedPost:
    """Return a post with its tags and their entities.

    Args:
        post: the post.
        tags: one per token.
        scores: the model's probability of each token's tag; an entity gets the smallest of its tokens. `None` for none.
    """
    entities = []
    for kind, start, end in entity_spans(tags):
        text, first, last = " ".join(post.tokens[start:end]), None, None
        if post.offsets is not None:
            first, last = post.offsets[start][0], post.offsets[end - 1][1]
            text = post.text[first:last]
        score = None if scores is None else float(min(scores[start:end]))
        entities.append(Entity(text, kind, start, end, score, first, last))
    return TaggedPost(post, tags, tuple(entities))
