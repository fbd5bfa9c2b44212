"""Nodes that people had drained, and what people said of drains."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drains",
        sa.Column("uid", sa.String, nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_drains"),
    )
    op.create_table(
        "drain_marks",
        sa.Column("uid", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("word", sa.String, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("uid", "reason", name="pk_drain_marks"),
    )


def downgrade() -> None:
    op.drop_table("drain_marks")
    op.drop_table("drains")
