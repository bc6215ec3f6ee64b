"""What Alembic runs; `upgrade.py` gives the connection, in a transaction."""

from __future__ import annotations

from alembic import context

from mailman_arc.adapters.store.schema import METADATA, VERSION_TABLE


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
