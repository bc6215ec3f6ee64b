"""Authenticated Received Chain (RFC 8617) for GNU Mailman 3."""
