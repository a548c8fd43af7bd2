"""Posts, data sets and batches."""

from mner_keras.data.datasets import Dataset, load_dataset
from mner_keras.data.files import read_conll, read_jsonl, read_posts, write_conll, write_jsonl
from mner_keras.data.post import Entity, Post, entity_spans
from mner_keras.data.preprocessor import PostPreprocessor

__all__ = [
    "Dataset",
    "Entity",
    "Post",
    "PostPreprocessor",
    "entity_spans",
    "load_dataset",
    "read_conll",
    "read_jsonl",
    "read_posts",
    "write_conll",
    "write_jsonl",
]
