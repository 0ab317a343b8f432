"""The wallet's first schema."""

import sqlalchemy as sa
from alembic import op

revision = "wallet_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "credentials",
        sa.Column("registrar", sa.Text(), primary_key=True),
        sa.Column("credential", sa.Text(), nullable=False),
    )
    op.create_table(
        "enrolments",
        sa.Column("holder", sa.Text(), primary_key=True),
        sa.Column("enrolled", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "uses",
        sa.Column("budget_group", sa.Text(), primary_key=True),
        sa.Column("epoch", sa.BigInteger(), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("policy_hash", sa.LargeBinary(), nullable=False),
    )
