"""The connection to the index's database, and what is particular to SQLite."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, insert, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from dicomlab.archive._schema import SCHEMA_VERSION, about, metadata
from dicomlab.errors import StorageError, UnsupportedError
from dicomlab.standard import Level

TEXT_LEVELS = (Level.PATIENT, Level.STUDY, Level.SERIES)
"""Levels with a trigram index of their text, for wildcards that begin with ``*``."""

_BUSY_TIMEOUT_MS = 60_000


class Database:
    """One writer, many readers, from any thread."""

    def __init__(self, path: Path) -> None:
        self._write_lock = threading.Lock()
        self._engine = _engine(path)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        with self.writing() as connection:
            metadata.create_all(connection)
            for level in TEXT_LEVELS:
                connection.execute(text(
                    f"CREATE VIRTUAL TABLE IF NOT EXISTS {level.lower()}_text "
                    "USING fts5(text, tokenize='trigram')"
                ))  # fmt: skip
            version = connection.scalar(select(about.c.value).where(about.c.name == "schema"))
            if version is None:
                connection.execute(insert(about), {"name": "schema", "value": SCHEMA_VERSION})
            elif int(version) != SCHEMA_VERSION:
                raise UnsupportedError(
                    f"The archive's index has schema version {version}, this dicomlab reads "
                    f"{SCHEMA_VERSION}. Open it with the dicomlab that made it, or a newer one."
                )

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the index, whatever is written meanwhile."""
        with _translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give the only connection that writes; what it did is durable when this is left."""
        with (
            self._write_lock,
            _translated(),
            self._engine.connect().execution_options(immediate=True) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise StorageError(
            f"The archive's index cannot be used: {error.orig}. Check that no other program holds "
            "it, and the free space and permissions of the archive's folder."
        ) from error
    except DatabaseError as error:
        raise StorageError(
            f"The archive's index is damaged: {error.orig}. Restore it from a backup, "
            "or move index.sqlite3 elsewhere and run: dicomlab archive check --rebuild."
        ) from error


def _engine(path: Path) -> Engine:
    if not path.exists():
        # SQLite would make it readable for everybody.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"isolation_level": None, "check_same_thread": False},
        max_overflow=-1,
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    for pragma in (
        f"busy_timeout = {_BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        # FULL: a commit is on the disk when it returns, not only in the order of the disk.
        "synchronous = FULL",
        "foreign_keys = ON",
        "temp_store = MEMORY",
        "mmap_size = 268435456",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    # IMMEDIATE: a writer waits for its turn here, never in the middle.
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def write_texts(
    connection: Connection, level: Level, rows: list[dict[str, object]], stale: list[int]
) -> None:
    """Write what wildcards are looked for in, ``rowid`` and ``text``, after removing stale rows."""
    if level not in TEXT_LEVELS:
        return
    name = f"{level.lower()}_text"
    if stale:
        connection.execute(
            text(f"DELETE FROM {name} WHERE rowid = :row"),  # noqa: S608  a name of our own
            [{"row": row} for row in stale],
        )
    if rows:
        connection.execute(
            text(f"INSERT INTO {name} (rowid, text) VALUES (:rowid, :text)"),  # noqa: S608
            rows,
        )


def clear_texts(connection: Connection, level: Level) -> None:
    """Remove all that wildcards are looked for in."""
    if level in TEXT_LEVELS:
        connection.execute(text(f"DELETE FROM {level.lower()}_text"))  # noqa: S608  as above
