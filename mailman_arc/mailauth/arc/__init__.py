"""Authenticated Received Chain: read, verify and extend a chain (RFC 8617)."""
