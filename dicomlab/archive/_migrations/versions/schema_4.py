"""What was deleted is remembered, and no id is given twice."""

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"


def upgrade() -> None:
    """Add the two tables; nothing was ever deleted before."""
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "deleted",
        sa.Column("sha256", text, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("deleted", sa.Text, nullable=False),
    )
    op.create_table(
        "last_id",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("id", sa.BigInteger, nullable=False),
    )
