"""The database: settings that lists have of their own."""
