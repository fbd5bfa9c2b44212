"""Hardware that is expected, controllers that appeared, and nodes that were retired."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
TABLES = ("expected_hardware", "candidates", "retirements")


def upgrade() -> None:
    for name in TABLES:
        op.create_table(
            name,
            sa.Column("name", sa.String, nullable=False),
            sa.Column("doc", sa.LargeBinary, nullable=False),
            sa.PrimaryKeyConstraint("name", name=f"pk_{name}"),
        )


def downgrade() -> None:
    for name in TABLES:
        op.drop_table(name)
