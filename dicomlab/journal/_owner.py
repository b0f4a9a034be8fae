"""Who runs a job: a lock that its process holds, and that goes when the process does.

A job whose owner is gone was interrupted. The lock is the database's own kind: a transaction on a
small SQLite file beside the journal, or an advisory lock of PostgreSQL.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from dicomlab.journal._database import Database, translated


class Owner:
    """The lock of one open journal, taken before its first job and held until it is closed."""

    def __init__(self, database: Database) -> None:
        self.id = uuid4()
        self._database = database
        self._file: sqlite3.Connection | None = None
        self._session: Connection | None = None

    def take(self) -> None:
        """Take the lock, if it is not held already."""
        if self._database.is_sqlite and self._file is None:
            path = _path(self._database, self.id)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            self._file = _locked(path)
        elif not self._database.is_sqlite and self._session is None:
            with translated():
                session = self._database.engine.connect()
                session = session.execution_options(isolation_level="AUTOCOMMIT")
                session.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _key(self.id)})
                self._session = session

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None
            _path(self._database, self.id).unlink(missing_ok=True)
        if self._session is not None:
            # The lock is the session's: returned to the pool alone, it would stay held.
            self._session.invalidate()
            self._session.close()
            self._session = None


def is_alive(database: Database, owner: UUID) -> bool:
    """Return whether somebody holds an owner's lock; what a dead one left is removed."""
    if not database.is_sqlite:
        with translated(), database.engine.connect() as connection:
            key = {"key": _key(owner)}
            was_free = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), key)
            if was_free:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
            return not was_free
    path = _path(database, owner)
    if not path.exists():
        return False
    try:
        _locked(path).close()
    except sqlite3.OperationalError:
        return True
    path.unlink(missing_ok=True)
    return False


def _path(database: Database, owner: UUID) -> Path:
    assert database.url.database is not None
    return Path(f"{database.url.database}.owners") / f"{owner}.lock"


def _locked(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("BEGIN EXCLUSIVE").close()
    except BaseException:
        connection.close()
        raise
    return connection


def _key(owner: UUID) -> int:
    """Return the key of an advisory lock: 63 bits of the owner's UUID."""
    return owner.int >> 65
