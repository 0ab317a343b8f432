"""The holder's first schema."""

import sqlalchemy as sa
from alembic import op

revision = "holder_0001"
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
        "contributions",
        sa.Column("nullifier", sa.LargeBinary(), primary_key=True),
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("policy_hash", sa.LargeBinary(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("origin_query", sa.LargeBinary(), nullable=False),
        sa.Column("origin_point", sa.LargeBinary(), nullable=False),
        sa.Column("issued", sa.BigInteger(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "enrolment_codes",
        sa.Column("code_digest", sa.LargeBinary(), primary_key=True),
        sa.Column("record_key", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "persons",
        sa.Column("identity", sa.Text(), primary_key=True),
        sa.Column("root_point", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("credential", sa.Text(), nullable=False),
    )
    op.create_table(
        "seen_requests",
        sa.Column("request_id", sa.LargeBinary(), primary_key=True),
        sa.Column("query_id", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "subject_orders",
        sa.Column("nonce", sa.LargeBinary(), primary_key=True),
        sa.Column("received", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "subjects",
        sa.Column("pseudonym", sa.LargeBinary(), primary_key=True),
        sa.Column("record_key", sa.Text(), nullable=False, unique=True),
        sa.Column("enrolled", sa.BigInteger(), nullable=False),
        sa.Column("opted_out", sa.Boolean(), nullable=False),
        sa.Column("ordered", sa.BigInteger(), nullable=False),
    )
