"""What posts, runs and tables look like: the HTML view of a post, the run report, the demo, the papers' figures."""
