"""The coordinator's first schema."""

import sqlalchemy as sa
from alembic import op

revision = "coordinator_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "queries",
        sa.Column("query_id", sa.LargeBinary(), primary_key=True),
        sa.Column("submission", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.LargeBinary(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
    )
