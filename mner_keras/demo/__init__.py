"""The demo: a page that tags a post, with its picture, without it, and with another one (extra `demo`)."""
