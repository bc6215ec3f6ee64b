"""Parsers under random input: `python -m tests.fuzz`, or one target as a file."""
