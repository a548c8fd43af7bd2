"""The two papers' tables: what they print, to stand beside what is measured."""

from mner_keras.reproduce.published import Published, find_table, load_published
from mner_keras.reproduce.table import PublishedNumber, PublishedTable

__all__ = ["Published", "PublishedNumber", "PublishedTable", "find_table", "load_published"]
