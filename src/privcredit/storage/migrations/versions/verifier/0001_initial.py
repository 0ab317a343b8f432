"""The verifier's first schema."""

import sqlalchemy as sa
from alembic import op

revision = "verifier_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "questions",
        sa.Column("request_id", sa.LargeBinary(), primary_key=True),
        sa.Column("query_id", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("submission", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "requests",
        sa.Column("request_id", sa.LargeBinary(), primary_key=True),
        sa.Column("policy_hash", sa.LargeBinary(), nullable=False),
        sa.Column("jws", sa.Text(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
    )
