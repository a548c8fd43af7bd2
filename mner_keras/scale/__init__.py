"""Many posts and many machines: `TagPosts`, shards, the Ray engine."""
