"""The connection to the index's database, SQLite or PostgreSQL: one writer, many readers."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    bindparam,
    create_engine,
    event,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from dicomlab.archive import _postgresql
from dicomlab.archive._schema import SCHEMA_VERSION, Form, about, metadata
from dicomlab.errors import StorageError, UnsupportedError
from dicomlab.standard import Level

TEXT_LEVELS = (Level.PATIENT, Level.STUDY, Level.SERIES)
"""Levels with a trigram index of their text, for wildcards that begin with ``*``."""

_BUSY_TIMEOUT_MS = 60_000
_VERSION = select(about.c.value).where(about.c.name == "schema")


class Database:
    """One writer, many readers, from any thread.

    Parameters
    ----------
    location
        The file of an SQLite database, or its URL, or the URL of a database in PostgreSQL.
    """

    def __init__(self, location: Path | URL) -> None:
        if not isinstance(location, Path) and location.get_backend_name() == "sqlite":
            location = _file_of(location)
        self._write_lock = threading.Lock()
        self._is_sqlite = isinstance(location, Path)
        self._engine = (
            _engine(location) if isinstance(location, Path) else _postgresql.engine(location)
        )
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        with self.writing() as connection:
            if not self._is_sqlite:
                _postgresql.make_schema(connection)
            self._upgrade(connection)
            metadata.create_all(connection)
            for level in TEXT_LEVELS:
                if self._is_sqlite:
                    connection.execute(text(
                        f"CREATE VIRTUAL TABLE IF NOT EXISTS {level.lower()}_text "
                        "USING fts5(text, tokenize='trigram')"
                    ))  # fmt: skip
            if not self._is_sqlite:
                _postgresql.make_texts(connection, [f"{one.lower()}_text" for one in TEXT_LEVELS])
            if connection.scalar(_VERSION) is None:
                row = {"name": "schema", "value": str(SCHEMA_VERSION)}
                connection.execute(insert(about), row)
            identity = select(about.c.value).where(about.c.name == "identity")
            if connection.scalar(identity) is None:
                connection.execute(insert(about), {"name": "identity", "value": uuid4().hex})

    @staticmethod
    def _upgrade(connection: Connection) -> None:
        """Bring the tables of an older dicomlab to today's, or refuse those of a newer one."""
        if not inspect(connection).has_table(about.name):
            return
        version = int(connection.scalar(_VERSION) or SCHEMA_VERSION)
        if version > SCHEMA_VERSION:
            raise UnsupportedError(
                f"The archive's index has schema version {version}, this dicomlab reads "
                f"{SCHEMA_VERSION}. Open it with the dicomlab that made it, or a newer one."
            )
        if version < SCHEMA_VERSION:
            from dicomlab.archive._migrations import upgrade  # noqa: PLC0415  seldom needed

            upgrade(connection, version)
            connection.execute(
                update(about).where(about.c.name == "schema").values(value=str(SCHEMA_VERSION))
            )

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the index, whatever is written meanwhile."""
        # SQLite's transactions are that by themselves, and know no such level.
        level = {} if self._is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._translated(), self._engine.connect() as connection:
            yield connection.execution_options(**level)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give the only connection that writes; what it did is durable when this is left."""
        with (
            self._write_lock,
            self._translated(),
            self._engine.connect().execution_options(immediate=True) as connection,
            connection.begin(),
        ):
            if not self._is_sqlite:  # SQLite had its turn at BEGIN
                _postgresql.wait_for_turn(connection)
            yield connection

    @property
    def is_sqlite(self) -> bool:
        """Whether the index is a file of SQLite."""
        return self._is_sqlite

    def snapshot(self, target: Path) -> None:
        """Write one state of an index in SQLite into a new file, while others read and write."""
        target.unlink(missing_ok=True)
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with self._raw() as connection:
            connection.execute("VACUUM INTO ?", (str(target),)).close()

    def restore(self, snapshot: Path) -> None:
        """Replace all that an index in SQLite holds by a snapshot, of this or an older schema."""
        with self._write_lock, self._raw() as connection, closing(read_only(snapshot)) as source:
            source.backup(connection)
        self._prepare()

    @contextmanager
    def _raw(self) -> Iterator[sqlite3.Connection]:
        with self._translated(), self._engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            try:
                yield raw
            except sqlite3.Error as error:
                raise StorageError(
                    f"The archive's index cannot be copied: {error}. Check free space and "
                    "permissions of the folders."
                ) from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            if not self._is_sqlite:
                # Without its words: they may quote a row.
                raise StorageError(
                    f"The archive's index failed ({type(error.orig).__name__}). Check that the "
                    "PostgreSQL server is there, its log, free space and permissions."
                ) from error
            if isinstance(error, OperationalError):
                raise StorageError(
                    f"The archive's index cannot be used: {error.orig}. Check that no other "
                    "program holds it, and the free space and permissions of the archive's folder."
                ) from error
            raise StorageError(
                f"The archive's index is damaged: {error.orig}. Restore it from a backup, "
                "or move index.sqlite3 elsewhere and run: dicomlab archive check --rebuild."
            ) from error


def read_only(path: Path) -> sqlite3.Connection:
    """Open a file of SQLite that nobody writes; nothing is made beside it."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def _file_of(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise ValueError("An index in memory is lost with the process: give the path of a file.")
    return Path(url.database).absolute()


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
            text(f"INSERT INTO {name} (rowid, text) VALUES (:rowid, :text)").bindparams(  # noqa: S608
                bindparam("text", type_=Form())
            ),
            rows,
        )


def clear_texts(connection: Connection, level: Level) -> None:
    """Remove all that wildcards are looked for in."""
    if level in TEXT_LEVELS:
        connection.execute(text(f"DELETE FROM {level.lower()}_text"))  # noqa: S608  as above
