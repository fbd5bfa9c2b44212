"""Which batch wrote a row last, so that whoever follows reads only what changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = ("targets", "statuses", "parts", "assets", "events")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("mark", sa.BigInteger, nullable=True))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "mark")
