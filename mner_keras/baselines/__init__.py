"""The systems that the two papers compare with, one per file."""
