"""Evidence, verdicts, and enrolled identities."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evidence",
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("endpoint", sa.String, nullable=False),
        sa.Column("attester", sa.Text, nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("turned", sa.Boolean, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_evidence"),
    )
    op.create_index(
        "ix_evidence_endpoint_attester_number", "evidence", ["endpoint", "attester", "number"]
    )
    _two_keys("appraisals", "endpoint")
    _two_keys("identities", "asset")


def _two_keys(name: str, first: str) -> None:
    op.create_table(
        name,
        sa.Column(first, sa.String, nullable=False),
        sa.Column("attester", sa.Text, nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint(first, "attester", name=f"pk_{name}"),
    )


def downgrade() -> None:
    for name in ("identities", "appraisals", "evidence"):
        op.drop_table(name)
