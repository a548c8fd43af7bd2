"""The two papers' tables: what they print, to stand beside what is measured."""

from mner_keras.reproduce.published import Published, PublishedNumber, PublishedTable, find_table, load_published

__all__ = ["Published", "PublishedNumber", "PublishedTable", "find_table", "load_published"]
