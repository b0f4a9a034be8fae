"""The journal: what happened, kept so that it is not lost and cannot be changed unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, cast
from uuid import UUID

from sqlalchemy import URL, delete, func, make_url, select
from sqlalchemy.exc import ArgumentError

from dicomlab.config import home
from dicomlab.errors import StorageError
from dicomlab.journal._chain import Verification, verify_chain
from dicomlab.journal._database import Database
from dicomlab.journal._event import Count, Entry, Event, EventKind
from dicomlab.journal._head import Head, HeadFile
from dicomlab.journal._job import ENDED, Job, JobRecord, Jobs, JobState, Task
from dicomlab.journal._records import Alert, Records, last_of
from dicomlab.journal._schema import entry_of, events, jobs, rows_of, time_text

_PAGE = 500
_T = TypeVar("_T")


def _now() -> datetime:
    return datetime.now(UTC)


class Journal:
    """Events in a hash chain, and the jobs that run; made by `Journal.open`.

    Threads and processes may use one journal at once: writers take turns, and there is one chain.
    What `record` returned is on the disk.

    Each entry carries the SHA-256 over the hash of the one before and its own columns. `verify`
    finds any entry that was changed, removed, put in or moved, and, by the head that is kept in a
    file beside the database, any that were cut off the end. It cannot find a chain that somebody
    computed anew from some entry on who could write both the database and the head file: against
    that, keep `head` elsewhere from time to time and give it to `verify`. The last entries before
    a power cut may be newer than the head. Jobs are working state and not in the chain; their
    starts and ends are.
    """

    def __init__(self, database: Database, records: Records, *, workers: int) -> None:
        self._database = database
        self._records = records
        self._jobs = Jobs(database, records, workers=workers)

    @classmethod
    def open(
        cls,
        url: str | Path | URL | None = None,
        *,
        password: str | None = None,
        head: Path | None = None,
        clock: Callable[[], datetime] = _now,
        workers: int = 4,
    ) -> Self:
        """Open a journal, or make one; jobs that a crash left running show as interrupted.

        Parameters
        ----------
        url
            Path of a file, or database URL (SQLite, PostgreSQL); by default ``journal.sqlite`` in
            `dicomlab.config.home`.
        password
            Password of the database, if it is not in the URL.
        head
            File of the head; by default ``….head`` beside a file of SQLite, and none for
            PostgreSQL.
        clock
            Says what time it is, UTC.
        workers
            Jobs that run at one time.

        Raises
        ------
        StorageError
            The database cannot be reached or made.
        UnsupportedError
            Another kind of database, or a journal of a newer dicomlab.
        """
        database = Database(_url(url, password))
        if head is None and database.is_sqlite:
            head = Path(f"{database.url.database}.head")
        try:
            records = Records(database, HeadFile(head) if head else None, clock)
            journal = cls(database, records, workers=workers)
            journal._jobs.interrupt_orphans()
        except BaseException:
            database.close()
            raise
        return journal

    def close(self) -> None:
        """Cancel the jobs that run, wait for them, and close the database."""
        try:
            self._jobs.close()
            self._records.advance_head(durable=True)
        finally:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Events

    def record(self, event: Event) -> Entry:
        """Record an event; it is on the disk when this returns.

        Raises
        ------
        StorageError
            The database did not take it: it is not recorded.
        """
        return self.record_all([event])[0]

    def record_all(self, happened: Iterable[Event]) -> tuple[Entry, ...]:
        """Record events in one transaction: all of them or none.

        Raises
        ------
        StorageError
            The database did not take them: none is recorded.
        """
        return self._records.write(happened)

    def on_alert(self, callback: Alert) -> Callable[[], None]:
        """Call back for each entry recorded here that is no success or is a security alert.

        It is called after the entry is on the disk, in the thread that recorded it; what it raises
        is logged and stops nothing.

        Returns
        -------
        Callable
            Ends the calls.
        """
        return self._records.on_alert(callback)

    def events(
        self,
        *,
        kind: EventKind | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        subject: UUID | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[Entry]:
        """Yield entries, some at a time from the database, in the order of their numbers.

        Parameters
        ----------
        kind, subject
            Only of this kind, only about this job or other thing.
        since, until
            Only recorded at or after, only before; times with a zone.
        limit
            At the most so many.
        newest_first
            The last entry first.

        Raises
        ------
        StorageError
            An entry is not as it was written.
        """
        number = events.c.sequence
        query = select(events).order_by(number.desc() if newest_first else number)
        if kind is not None:
            query = query.where(events.c.kind == kind.value)
        if subject is not None:
            query = query.where(events.c.subject == str(subject))
        if since is not None:
            query = query.where(events.c.time >= time_text(since.astimezone(UTC)))
        if until is not None:
            query = query.where(events.c.time < time_text(until.astimezone(UTC)))
        left = limit
        last: int | None = None
        while left is None or left > 0:
            page = _PAGE if left is None else min(left, _PAGE)
            more = query
            if last is not None:
                more = query.where(number < last if newest_first else number > last)
            with self._database.reading() as connection:
                rows = rows_of(connection, more.limit(page))
            for row in rows:
                yield _read(row)
            if len(rows) < page:
                return
            last = cast("int", rows[-1]["sequence"])
            left = None if left is None else left - page

    def forget(self, before: datetime) -> int:
        """Delete the oldest entries, up to the first recorded at or after a time; return how many.

        An entry that is recorded with it says up to where, and with which hash: what remains still
        verifies. The last entry always remains. Ended jobs that are older go too.

        Raises
        ------
        StorageError
            The database failed: nothing is deleted.
        """
        limit = time_text(before.astimezone(UTC))
        number = events.c.sequence
        with self._database.writing() as connection:
            kept = select(func.min(number)).where(events.c.time >= limit)
            newest = select(func.max(number))
            keep = connection.scalar(kept) or connection.scalar(newest)
            old = jobs.c.state.in_(ENDED) & (jobs.c.ended < limit)
            connection.execute(delete(jobs).where(old))
            if keep is None:
                return 0
            through = connection.execute(
                select(number, events.c.hash).where(number == keep - 1)
            ).first()
            if through is None:
                return 0
            gone = connection.execute(delete(events).where(number < keep)).rowcount
            counts = {Count.EVENTS: gone, Count.THROUGH: through.sequence}
            forgotten = Event(EventKind.EVENTS_FORGOTTEN, counts=counts, digest=through.hash)
            entries = self._records.append(connection, [forgotten])
        self._records.told(entries)
        return gone

    # The chain

    def head(self) -> Head:
        """Return the number and hash of the last entry, to be kept elsewhere for `verify`."""
        with self._database.reading() as connection:
            return last_of(connection)

    def verify(self, witness: Head | None = None) -> Verification:
        """Return whether the chain is whole, else the first entry that is broken and how.

        Parameters
        ----------
        witness
            A head that was kept elsewhere: that entry must still be there, or have been forgotten.
        """
        witnesses = [] if witness is None else [witness]
        head, head_fault = self._records.read_head()
        if head is not None:
            witnesses.append(head)
        with self._database.reading() as connection:
            found = verify_chain(connection, witnesses)
        return found if found.fault or not head_fault else Verification(found.entries, head_fault)

    def accept_head(self) -> Entry:
        """Take the journal as it is now for the whole one, after a backup was restored.

        The end that it has becomes the head, whatever the head file said; that this was done is
        recorded as an entry.
        """
        return self._records.accept_head()

    # Jobs

    def start(self, kind: StrEnum, work: Callable[[Task], _T]) -> Job[_T]:
        """Run work in a thread of its own and return its job; it waits while too many others run.

        Parameters
        ----------
        kind
            What it is, as a member of an enumeration of the room that starts it.
        work
            Called with a `Task`, through which it tells its progress and hears of a cancel.

        Raises
        ------
        StorageError
            The job could not be recorded: it is not started.
        """
        return self._jobs.start(kind, work)

    def jobs(self, state: JobState | None = None) -> Iterator[JobRecord]:
        """Yield the jobs, of one state or all, the newest first."""
        return self._jobs.records(state)

    def job(self, job_id: UUID) -> JobRecord:
        """Return a job as it stands in the journal.

        Raises
        ------
        NotFoundError
            There is none, or it was forgotten.
        """
        if not isinstance(job_id, UUID):
            raise TypeError("The id of a job is a UUID")
        return self._jobs.record(job_id)


def _url(url: str | Path | URL | None, password: str | None) -> URL:
    if url is None:
        url = home() / "journal.sqlite"
    if isinstance(url, Path) or (isinstance(url, str) and "://" not in url):
        url = URL.create("sqlite", database=str(Path(url).expanduser().absolute()))
    try:
        parsed = make_url(url)
    except ArgumentError:
        # Its message would repeat the URL, and with it a password.
        raise ValueError("The journal's URL is none that SQLAlchemy understands") from None
    return parsed if password is None else parsed.set(password=password)


def _read(row: Mapping[str, object]) -> Entry:
    try:
        return entry_of(row)
    except (ValueError, TypeError, KeyError):
        # Their messages may quote what somebody put there.
        raise StorageError(
            f"Entry {row['sequence']} of the journal is not as it was written. Run Journal.verify."
        ) from None
