"""Mailman. Nothing else imports it."""
