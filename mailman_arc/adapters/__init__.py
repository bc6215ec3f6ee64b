"""The outside world: DNS and key files."""
