"""Mailman's own test suite, run without the plugin and with it."""
