"""How an index of an older schema becomes one of today: one step a version."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(connection: Connection, version: int) -> None:
    """Bring an index to today's schema, within the transaction that the connection has open."""
    config = Config()
    config.set_main_option("script_location", "dicomlab.archive:_migrations")
    config.attributes["connection"] = connection
    command.stamp(config, str(version))
    command.upgrade(config, "head")
