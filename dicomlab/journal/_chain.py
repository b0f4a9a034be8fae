"""Whether the chain of entries is whole, and if not, from which entry on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from dicomlab.journal._event import Count, EventKind
from dicomlab.journal._head import Head
from dicomlab.journal._schema import entry_of, events, hash_of, rows_of

_PAGE = 1000


class Fault(StrEnum):
    """What is wrong with a chain.

    ``content``: an entry is not what its hash says. ``link``: it does not follow the one before.
    ``gap``: it is missing. ``start``: those before it are missing and no `Journal.forget` says so.
    ``unreadable``: the database cannot give it. ``truncated``: it was there according to the head
    and is missing, or another stands in its place. ``head-missing``, ``head-unreadable``: there
    is no witness of the end.
    """

    CONTENT = "content"
    LINK = "link"
    GAP = "gap"
    START = "start"
    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    HEAD_MISSING = "head-missing"
    HEAD_UNREADABLE = "head-unreadable"


@dataclass(frozen=True, slots=True)
class Verification:
    """What `Journal.verify` found.

    Attributes
    ----------
    entries
        How many entries were found whole before the first fault.
    fault
        What is wrong; ``None`` where nothing is.
    broken
        Number of the first entry that it concerns, ``None`` where it is none.
    """

    entries: int
    fault: Fault | None = None
    broken: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return self.fault is None


def verify_chain(connection: Connection, witnesses: list[Head]) -> Verification:
    """Walk all entries of one state of the journal, in order, and hold them against witnesses."""
    wanted = {head.sequence: head.hash for head in witnesses if head.sequence}
    first = connection.scalar(select(func.min(events.c.sequence)))
    start = Head() if first is None else Head(first - 1)
    if start.sequence and not _is_anything_forgotten(connection):
        return Verification(0, Fault.START, 1)
    last, forgotten = start, Head()
    for row in _rows(connection, start.sequence + 1):
        expected = last.sequence + 1
        if row is not None and last is start:
            start = last = Head(start.sequence, str(row["previous"]))
        fault = _fault(row, last)
        if row is not None and fault is None:
            last = Head(expected, str(row["hash"]))
            fault = None if wanted.get(expected, last.hash) == last.hash else Fault.TRUNCATED
        if row is None or fault is not None:
            return Verification(last.sequence - start.sequence, fault, expected)
        if row["kind"] == EventKind.EVENTS_FORGOTTEN:
            entry = entry_of(row)
            forgotten = Head(entry.counts[Count.THROUGH], str(entry.digest))
    if start != forgotten:
        return Verification(0, Fault.START, min(start.sequence, forgotten.sequence) + 1)
    entries = last.sequence - start.sequence
    if max(wanted, default=0) > last.sequence:
        return Verification(entries, Fault.TRUNCATED, last.sequence + 1)
    return Verification(entries)


def _is_anything_forgotten(connection: Connection) -> bool:
    kinds = select(events.c.sequence).where(events.c.kind == EventKind.EVENTS_FORGOTTEN.value)
    return connection.execute(kinds.limit(1)).first() is not None


def _fault(row: Mapping[str, object] | None, last: Head) -> Fault | None:
    """Return what is wrong with the row that should follow the last one."""
    if row is None:
        return Fault.UNREADABLE
    if row["sequence"] != last.sequence + 1:
        return Fault.GAP
    if row["previous"] != last.hash:
        return Fault.LINK
    try:
        return None if row["hash"] == hash_of(row) else Fault.CONTENT
    except TypeError:
        return Fault.CONTENT


def _rows(connection: Connection, start: int) -> Iterator[Mapping[str, object] | None]:
    """Yield rows by number; ``None`` for the first one that the database cannot give."""
    while True:
        page = select(events).where(events.c.sequence >= start).order_by(events.c.sequence)
        try:
            rows = rows_of(connection, page.limit(_PAGE))
        except DBAPIError:
            yield from _readable_rows(connection, start)
            yield None
            return
        yield from rows
        if len(rows) < _PAGE:
            return
        start += _PAGE


def _readable_rows(connection: Connection, start: int) -> Iterator[Mapping[str, object]]:
    """Yield the rows of a page one by one, up to the one that cannot be read."""
    for sequence in range(start, start + _PAGE):
        try:
            rows = rows_of(connection, select(events).where(events.c.sequence == sequence))
        except DBAPIError:
            return
        yield from rows
