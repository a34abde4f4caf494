"""Run by Alembic with the connection that ``sandbox.store.migrate`` opened."""

from alembic import context

from sandbox.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
connection.commit()
