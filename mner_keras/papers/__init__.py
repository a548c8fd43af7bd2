"""The tables of the two papers: published numbers, the runs that measure them, and both in one table."""

from mner_keras.papers.published import Published, PublishedNumber, PublishedTable, find_table, load_published

__all__ = ["Published", "PublishedNumber", "PublishedTable", "find_table", "load_published"]
