"""Many posts and many machines."""
