"""Many posts and many machines: `TagPosts`."""

from mner_keras.scale.tag_posts import TagPosts

__all__ = ["TagPosts"]
