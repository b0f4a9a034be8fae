"""The first schema: what made it stands in the release that did."""

revision = "1"
down_revision = None


def upgrade() -> None:
    """There is nothing before it."""
