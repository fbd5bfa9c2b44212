"""What Alembic runs: the connection is handed in by `store.database`, nothing is configured here.

Offline mode prints the SQL, for an operator whose database is changed by somebody else.
"""

from __future__ import annotations

from alembic import context

from iolaus.store.schema import metadata


def run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None:
        url = context.config.get_main_option("sqlalchemy.url") or "sqlite://"
        context.configure(url=url, target_metadata=metadata, literal_binds=True)
    else:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            transactional_ddl=True,
            transaction_per_migration=False,
        )
    with context.begin_transaction():
        context.run_migrations()


run()
