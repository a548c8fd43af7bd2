"""Text tools: tokens, parts of speech and word vectors."""

from mner_keras.text.pos import (
    POS_CATEGORIES,
    TaggerDataMissing,
    pos_category,
    tag_pos,
    tokenize,
    tokenize_with_offsets,
)
from mner_keras.text.vectors import WordVectors, read_vectors

__all__ = [
    "POS_CATEGORIES",
    "TaggerDataMissing",
    "WordVectors",
    "pos_category",
    "read_vectors",
    "tag_pos",
    "tokenize",
    "tokenize_with_offsets",
]
