"""What has come into the archive, in the order in which it came."""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from dicomlab.archive._database import Database
from dicomlab.archive._schema import TABLES, about, content
from dicomlab.archive._select import join_upwards
from dicomlab.archive._tombstones import highest_id
from dicomlab.catalog import Arrival
from dicomlab.standard import Level

_PAGE = 500
_CURSOR = re.compile(r"([0-9a-f]{32})-([0-9]{1,19})")


class Arrivals:
    """The arrivals of one archive.

    A cursor is the identity of the index and the number of a content: numbers are never given
    twice, whatever is deleted, and a rebuild keeps them. An index that was lost and made anew has
    another identity; a cursor of the old one then stands before everything.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._told = threading.Condition()

    def cursor(self) -> str:
        """Return the cursor behind all that is there."""
        with self._database.reading() as connection:
            return _cursor(_identity(connection), highest_id(connection, content))

    def after(self, cursor: str | None) -> Iterator[Arrival]:
        """Yield what came after a cursor and is still there, up to now."""
        image, series, study = (
            TABLES[level].entity for level in (Level.IMAGE, Level.SERIES, Level.STUDY)
        )
        statement = (
            select(
                content.c.id, content.c.received, image.c.SOPInstanceUID,
                series.c.SeriesInstanceUID, study.c.StudyInstanceUID,
            )
            .select_from(join_upwards(Level.IMAGE, Level.STUDY.depth))
            .join(content, content.c.sop_instance_uid == image.c.SOPInstanceUID)
            .order_by(content.c.id)
            .limit(_PAGE)
        )  # fmt: skip
        with self._database.reading() as connection:
            identity, last = _identity(connection), self._position(connection, cursor)
            end = connection.scalar(select(func.max(content.c.id))) or 0
        while last < end:
            with self._database.reading() as connection:
                rows = connection.execute(
                    statement.where(content.c.id > last, content.c.id <= end)
                ).all()
            for row in rows:
                yield Arrival(
                    cursor=_cursor(identity, row.id),
                    received=dt.datetime.fromisoformat(row.received),
                    study_instance_uid=row.StudyInstanceUID,
                    series_instance_uid=row.SeriesInstanceUID,
                    sop_instance_uid=row.SOPInstanceUID,
                )
            last = rows[-1].id if len(rows) == _PAGE else end

    def tell(self) -> None:
        """Wake those who wait: something has come, and is committed."""
        with self._told:
            self._told.notify_all()

    def wait(self, cursor: str | None, timeout_s: float | None) -> bool:
        """Wait until something came after a cursor; return whether it did."""
        with self._told:
            return self._told.wait_for(lambda: self._is_any(cursor), timeout_s) or self._is_any(
                cursor
            )

    def _is_any(self, cursor: str | None) -> bool:
        with self._database.reading() as connection:
            last = self._position(connection, cursor)
            return (connection.scalar(select(func.max(content.c.id))) or 0) > last

    @staticmethod
    def _position(connection: Connection, cursor: str | None) -> int:
        if cursor is None:
            return 0
        found = _CURSOR.fullmatch(cursor)
        if found is None:
            raise ValueError("The cursor is none that this archive gave: pass one of an arrival")
        return int(found[2]) if found[1] == _identity(connection) else 0


def _identity(connection: Connection) -> str:
    return str(connection.scalar(select(about.c.value).where(about.c.name == "identity")))


def _cursor(identity: str, number: int) -> str:
    return f"{identity}-{number}"
