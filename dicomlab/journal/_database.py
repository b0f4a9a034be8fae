"""The connection to the journal's database: one writer at a time, whoever and wherever it is."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from dicomlab.errors import MissingDependencyError, StorageError, UnsupportedError
from dicomlab.journal._schema import SCHEMA_VERSION, about, metadata

_BUSY_TIMEOUT_S = 60
_CREATING = 0x6469636F  # an advisory lock of PostgreSQL, held while tables are made


class Database:
    """The journal's tables, in SQLite or PostgreSQL."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._write_lock = threading.Lock()
        self.engine = _engine(url)
        try:
            self._prepare()
        except BaseException:
            self.engine.dispose()
            raise

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file of SQLite."""
        return self.url.get_backend_name() == "sqlite"

    def _prepare(self) -> None:
        with self._turn() as connection:
            if not self.is_sqlite:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_CREATING})"))
            metadata.create_all(connection)
            version = connection.scalar(select(about.c.value).where(about.c.name == "schema"))
            if version is None:
                row = {"name": "schema", "value": str(SCHEMA_VERSION)}
                connection.execute(insert(about), row)
        if version not in {None, str(SCHEMA_VERSION)}:
            raise UnsupportedError(
                f"The journal has schema version {version}, this dicomlab knows {SCHEMA_VERSION}. "
                "Open it with the dicomlab that made it, or a newer one."
            )

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the journal, whatever is written meanwhile."""
        # SQLite's transactions are that by themselves, and know no such level.
        level = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with translated(), self.engine.connect() as connection:
            yield connection.execution_options(**level)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give the only connection that writes; what it did is durable when this is left."""
        with self._turn() as connection:
            # PostgreSQL's turn: this row is held to the end of the transaction. What is read after
            # it is what the writer before committed (READ COMMITTED). SQLite had its turn at BEGIN.
            turn = select(about.c.value).where(about.c.name == "schema").with_for_update()
            connection.execute(turn)
            yield connection

    @contextmanager
    def _turn(self) -> Iterator[Connection]:
        with (
            self._write_lock,
            translated(),
            self.engine.connect().execution_options(immediate=True) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


@contextmanager
def translated() -> Iterator[None]:
    """Turn the database's errors into ours, without its words: they may quote a row."""
    try:
        yield
    except DBAPIError as exc:
        raise StorageError(
            f"The journal's database failed ({type(exc.orig).__name__}). Check that it is there, "
            "its free space and permissions; run Journal.verify."
        ) from exc


def _engine(url: URL) -> Engine:
    backend = url.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        raise UnsupportedError(
            "The journal cannot be kept in a database of that kind: it is proved on SQLite and "
            "PostgreSQL. Give a URL that begins with sqlite:/// or postgresql+psycopg://."
        )
    if backend == "postgresql":
        try:
            return create_engine(url, hide_parameters=True, pool_pre_ping=True, max_overflow=-1)
        except ModuleNotFoundError as exc:
            raise MissingDependencyError(
                f"The package {exc.name} is missing: pip install 'dicomlab[postgresql]'."
            ) from exc
    if not url.database or url.database == ":memory:":
        raise ValueError("A journal in memory is lost with the process: give the path of a file")
    _make(Path(url.database))
    engine = create_engine(
        url,
        hide_parameters=True,
        connect_args={"isolation_level": None, "check_same_thread": False},
        max_overflow=-1,
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            # SQLite would make it readable for everybody.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError as exc:
        raise StorageError(
            f"The journal cannot be made ({exc.strerror}). Check its folder, or name another."
        ) from exc


def _set_up(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    # The first: taking up the others may have to wait for another process.
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_S * 1000}").close()
    connection.execute("PRAGMA journal_mode = WAL").close()
    # FULL: a commit is on the disk when it returns.
    connection.execute("PRAGMA synchronous = FULL").close()


def _begin(connection: Connection) -> None:
    # IMMEDIATE: a writer waits for its turn here, never in the middle.
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
