"""Sizes of contents are summed from an index of their own, not from rows with headers."""

from alembic import op

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """Add the index."""
    op.create_index("content_size", "content", ["size"])
