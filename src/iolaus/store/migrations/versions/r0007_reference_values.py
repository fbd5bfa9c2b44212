"""Reference values: documents of makers and of our own, and what was read from them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reference_values",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_reference_values"),
    )


def downgrade() -> None:
    op.drop_table("reference_values")
