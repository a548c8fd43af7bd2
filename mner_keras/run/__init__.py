"""A training run: its configuration, its folder, its scores."""
