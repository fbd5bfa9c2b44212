"""Files that were saved of a subject, in pieces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "saved_files",
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("subject", "name", name="pk_saved_files"),
    )
    op.create_table(
        "saved_pieces",
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("subject", "key", "number", name="pk_saved_pieces"),
    )


def downgrade() -> None:
    for name in ("saved_pieces", "saved_files"):
        op.drop_table(name)
