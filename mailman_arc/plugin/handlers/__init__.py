"""Pipeline handlers, one in each module."""
