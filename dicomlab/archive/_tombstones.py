"""What was deleted: remembered by hash, so that no repair brings it back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from dicomlab.archive._database import Database
from dicomlab.archive._schema import TABLES, content, deleted, last_id
from dicomlab.archive._store import Store

_GROUP = 256
_T = TypeVar("_T")


def bury(connection: Connection, contents: Sequence[tuple[str, int]]) -> None:
    """Remember contents, by hash and size, that are being taken out of the index."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    rows = [{"sha256": sha256, "size": size, "deleted": now} for sha256, size in contents]
    if rows:
        connection.execute(insert(deleted), rows)


def lift(connection: Connection, sha256s: Iterable[str]) -> None:
    """Forget that contents were deleted: they have come again."""
    connection.execute(delete(deleted).where(deleted.c.sha256.in_(list(sha256s))))


def deleted_among(connection: Connection, sha256s: Iterable[str]) -> set[str]:
    """Return which of these contents were deleted."""
    statement = select(deleted.c.sha256).where(deleted.c.sha256.in_(list(sha256s)))
    return set(connection.scalars(statement))


def remove_files(database: Database, store: Store, sha256s: Sequence[str]) -> Iterator[list[str]]:
    """Remove the files of deleted contents, and yield which are gone, some at a time.

    It is done in the writers' turn: what is deleted then stays so until its file is gone, and an
    import that brings the same content looks at its file in a turn of its own.
    """
    # By hash: each group then lies in few folders, and each folder is synced about once.
    for some in groups(sorted(sha256s), _GROUP):
        with database.writing() as connection:
            gone = sorted(deleted_among(connection, some))
            store.remove(gone)
        yield gone


def note_last_ids(connection: Connection) -> None:
    """Remember the greatest id of each table, before rows are taken out of it."""
    for table in (content, *(tables.entity for tables in TABLES.values())):
        row = last_id.c.name == table.name
        highest = highest_id(connection, table)
        if not connection.execute(update(last_id).where(row).values(id=highest)).rowcount:
            connection.execute(insert(last_id), {"name": table.name, "id": highest})


def highest_id(connection: Connection, table: Table) -> int:
    """Return the greatest id that a table has or had."""
    has = connection.scalar(select(func.max(table.c.id))) or 0
    had = connection.scalar(select(last_id.c.id).where(last_id.c.name == table.name)) or 0
    return max(has, had)


def groups(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """Yield items, some at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
