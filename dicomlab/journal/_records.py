"""Writing to the chain, and what follows each commit: the head and the alerts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select

from dicomlab.journal._chain import Fault
from dicomlab.journal._database import Database
from dicomlab.journal._event import Entry, Event, EventKind, Outcome
from dicomlab.journal._head import Head, HeadFile
from dicomlab.journal._schema import entry_of, events, row_of

_LOG = logging.getLogger(__name__)
Alert = Callable[[Entry], None]


class Records:
    """Appends entries; whoever has a transaction of their own calls `append` in it, then `told`."""

    def __init__(
        self, database: Database, head: HeadFile | None, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._head = head
        self._clock = clock
        self._alerts: list[Alert] = []
        if head is not None:
            with database.writing() as connection:
                if last_of(connection) == Head() and not head.path.exists():
                    head.write(Head(), durable=True)
            self.advance_head()

    def now(self) -> datetime:
        """Return what the clock says, UTC."""
        return self._clock().astimezone(UTC)

    def write(self, happened: Iterable[Event]) -> tuple[Entry, ...]:
        """Append entries in one transaction of their own."""
        with self._database.writing() as connection:
            entries = self.append(connection, happened)
        self.told(entries)
        return entries

    def append(self, connection: Connection, happened: Iterable[Event]) -> tuple[Entry, ...]:
        """Append entries within a writer's transaction."""
        last = last_of(connection)
        rows = []
        for event in happened:
            sequence = last.sequence + 1
            row = row_of(event, sequence=sequence, time=self.now(), previous=last.hash)
            last = Head(sequence, str(row["hash"]))
            rows.append(row)
        if rows:
            connection.execute(insert(events), rows)
        return tuple(map(entry_of, rows))

    def told(self, entries: tuple[Entry, ...]) -> None:
        """Do what follows the commit of entries."""
        self.advance_head()
        for entry in entries:
            if entry.outcome is Outcome.SUCCESS and entry.kind is not EventKind.SECURITY_ALERT:
                continue
            for callback in list(self._alerts):
                try:
                    callback(entry)
                except Exception as exc:  # noqa: BLE001  somebody else's code; the entry stands
                    # What it says may hold anything: only its type is logged.
                    _LOG.error("An alert failed with %s", type(exc).__name__)

    def on_alert(self, callback: Alert) -> Callable[[], None]:
        """Call back for failures and security alerts; see `Journal.on_alert`."""
        self._alerts.append(callback)
        return lambda: self._alerts.remove(callback)

    def read_head(self) -> tuple[Head | None, Fault | None]:
        """Return what the head file says, or why it says nothing."""
        if self._head is None:
            return None, None
        try:
            head = self._head.read()
        except ValueError:
            return None, Fault.HEAD_UNREADABLE
        return head, None if head else Fault.HEAD_MISSING

    def advance_head(self, *, durable: bool = False) -> None:
        """Bring the head file to the last entry, if what it says now is in the chain.

        Where it is not, entries were cut off: the file is the evidence, and stays as it is.
        """
        if self._head is None:
            return
        # In the writers' turn, so that two of them cannot put an older head over a newer one.
        with self._database.writing() as connection:
            head, _fault = self.read_head()
            if head is None:
                return
            there = select(events.c.hash).where(events.c.sequence == head.sequence)
            if head != Head() and connection.scalar(there) != head.hash:
                return
            last = last_of(connection)
            if durable or last != head:
                self._head.write(last, durable=durable)

    def accept_head(self) -> Entry:
        """Take the end as it is for the head; see `Journal.accept_head`."""
        (accepted,) = self.write([Event(EventKind.HEAD_ACCEPTED, Outcome.MINOR_FAILURE)])
        if self._head is not None:
            with self._database.writing() as connection:
                self._head.write(last_of(connection), durable=True)
        return accepted


def last_of(connection: Connection) -> Head:
    """Return the number and hash of the last entry."""
    last = select(events.c.sequence, events.c.hash).order_by(events.c.sequence.desc()).limit(1)
    row = connection.execute(last).first()
    return Head() if row is None else Head(row.sequence, row.hash)
