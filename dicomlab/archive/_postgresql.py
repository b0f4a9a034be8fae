"""What is particular to an index in PostgreSQL.

Its tables stand in a schema of their own, so that a journal may share the database.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from dicomlab.errors import MissingDependencyError, UnsupportedError

_SCHEMA = "dicomlab_archive"
_WRITING = 0x6469636F_61726368
"""The advisory lock that the one writer of a database holds to the end of its transaction."""


def engine(url: URL) -> Engine:
    """Return what connects to the index.

    Raises
    ------
    UnsupportedError
        The URL is that of another kind of database.
    MissingDependencyError
        The driver is not installed.
    """
    if url.get_backend_name() != "postgresql":
        raise UnsupportedError(
            "The archive's index cannot be kept in a database of that kind. Give a URL that begins "
            "with postgresql+psycopg:// or sqlite:///, or none for SQLite in the archive's folder."
        )
    try:
        made = create_engine(url, hide_parameters=True, pool_pre_ping=True, max_overflow=-1)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"The package {error.name} is missing: pip install 'dicomlab[postgresql]'."
        ) from error
    event.listen(made, "connect", _set_up)
    return made


def _set_up(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET search_path TO {_SCHEMA}")
    cursor.close()
    connection.commit()


def wait_for_turn(connection: Connection) -> None:
    """Wait until no other transaction writes; the next statement sees what the last one wrote."""
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITING})"))


def make_schema(connection: Connection) -> None:
    """Make the schema where there is none."""
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}"))


def make_texts(connection: Connection, names: Iterable[str]) -> None:
    """Make the tables that wildcards are looked for in, with trigrams if the server has them."""
    missing = [
        name for name in names
        if connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is None
    ]  # fmt: skip
    operators = _trigram_operators(connection) if missing else None
    for name in missing:
        connection.execute(text(
            f'CREATE TABLE {name} (rowid bigint PRIMARY KEY, text text COLLATE "C" NOT NULL)'
        ))  # fmt: skip
        if operators is not None:
            connection.execute(text(
                f"CREATE INDEX {name}_trigrams ON {name} USING gin (text {operators})"
            ))  # fmt: skip


def _trigram_operators(connection: Connection) -> str | None:
    """Return the operator class of pg_trgm; ``None`` where it is not to be had."""
    try:
        with connection.begin_nested():
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public"))
    except DBAPIError:  # not installed, or not allowed: LIKE looks at all texts then
        return None
    place = connection.scalar(text(
        "SELECT quote_ident(nspname) FROM pg_extension "
        "JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'pg_trgm'"
    ))  # fmt: skip
    return f"{place}.gin_trgm_ops"
