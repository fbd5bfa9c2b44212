"""The first schema: targets, statuses, parts of reports, assets, history, events, device logs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("targets", "statuses"):
        op.create_table(
            name,
            sa.Column("address", sa.String, nullable=False),
            sa.Column("doc", sa.LargeBinary, nullable=False),
            sa.PrimaryKeyConstraint("address", name=f"pk_{name}"),
        )
    op.create_table(
        "parts",
        sa.Column("address", sa.String, nullable=False),
        sa.Column("part", sa.String, nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("address", "part", name="pk_parts"),
    )
    op.create_table(
        "assets",
        sa.Column("uid", sa.String, nullable=False),
        sa.Column("endpoint", sa.String, nullable=False),
        sa.Column("present", sa.Boolean, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.Column("carry", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_assets"),
    )
    _create_logs()


def _create_logs() -> None:
    op.create_table(
        "history",
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("endpoint", sa.String, nullable=False),
        sa.Column("asset", sa.String),
        sa.Column("component", sa.Text),
        sa.Column("field", sa.String, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("source", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_history"),
    )
    op.create_index("ix_history_asset_number", "history", ["asset", "number"])
    op.create_index("ix_history_endpoint_number", "history", ["endpoint", "number"])
    op.create_index("ix_history_at", "history", ["at"])
    op.create_table(
        "events",
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("asset", sa.String),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_events"),
    )
    op.create_index("ix_events_asset", "events", ["asset"])
    op.create_table(
        "logs",
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("endpoint", sa.String, nullable=False),
        sa.Column("uri", sa.Text, nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_logs"),
    )
    op.create_index("ix_logs_endpoint_number", "logs", ["endpoint", "number"])


def downgrade() -> None:
    for name in ("logs", "events", "history", "assets", "parts", "statuses", "targets"):
        op.drop_table(name)
