"""The authority's first schema."""

import sqlalchemy as sa
from alembic import op

revision = "authority_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "audit",
        sa.Column("sequence", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False, unique=True),
    )
    op.create_table(
        "notices",
        sa.Column("recipient", sa.Text(), primary_key=True),
        sa.Column("nullifier", sa.LargeBinary(), primary_key=True),
        sa.Column("notice", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "nullifiers",
        sa.Column("nullifier", sa.LargeBinary(), primary_key=True),
        sa.Column("sequence", sa.Integer(), nullable=False, unique=True),
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("policy_hash", sa.LargeBinary(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("set_digest", sa.LargeBinary(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("evaluator_1", sa.Text(), nullable=False),
        sa.Column("evaluator_2", sa.Text(), nullable=False),
        sa.Column("share_bits", sa.LargeBinary(), nullable=True),
        sa.Column("run", sa.LargeBinary(), nullable=True),
        sa.Column("run_query", sa.LargeBinary(), nullable=True),
        sa.Column("run_evaluator_2", sa.Text(), nullable=True),
        sa.Column("released", sa.LargeBinary(), nullable=True),
    )
