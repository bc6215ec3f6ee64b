"""The page beside Postorius; empty until it exists."""
