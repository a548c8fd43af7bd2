"""The baselines of the two papers, one per file."""
