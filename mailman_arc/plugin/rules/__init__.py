"""Rules for posts that arrive, one in each module."""
