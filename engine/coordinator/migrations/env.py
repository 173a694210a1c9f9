"""Run by alembic: applies revisions on the connection, and in the transaction, that database.py gives."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
