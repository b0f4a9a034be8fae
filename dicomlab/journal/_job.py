"""Long calls that run beside the caller: how far they are, and how they ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from threading import Event as Flag
from threading import Lock
from typing import Generic, TypeVar, cast
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update

from dicomlab.errors import NotFoundError, StorageError
from dicomlab.journal._database import Database
from dicomlab.journal._event import Event, EventKind, Outcome
from dicomlab.journal._owner import Owner, is_alive
from dicomlab.journal._records import Records
from dicomlab.journal._schema import jobs, rows_of, time_text

_LOG = logging.getLogger(__name__)
_KEEP_PROGRESS_EVERY = timedelta(seconds=1)
_T = TypeVar("_T")


class JobState(StrEnum):
    """What becomes of a job; ``interrupted``: its process went without ending it."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


UNENDED = (JobState.QUEUED, JobState.RUNNING)
ENDED = tuple(state for state in JobState if state not in UNENDED)


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as it stands in the journal.

    Attributes
    ----------
    done, total
        Steps, written about once a second; `total` is ``None`` where nobody knows.
    created, started, ended
        Times, UTC.
    error
        Name of the exception's class where it failed; what it said is not kept.
    """

    id: UUID
    kind: str
    state: JobState
    done: int
    total: int | None
    created: datetime
    started: datetime | None
    ended: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """Steps that are done, of how many where that is known."""

    done: int = 0
    total: int | None = None


class Task:
    """A job as the work sees it."""

    def __init__(self, keep: Callable[[Progress], None]) -> None:
        self._keep = keep
        self._cancelled = Flag()
        self.progress = Progress()

    def report(self, done: int, total: int | None = None) -> None:
        """Say how far the work is."""
        self.progress = Progress(done, total)
        self._keep(self.progress)

    @property
    def is_cancelled(self) -> bool:
        """Whether the work should stop."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Stop here if the job was cancelled.

        Raises
        ------
        concurrent.futures.CancelledError
            It was.
        """
        if self.is_cancelled:
            raise CancelledError

    def pause(self, seconds: float) -> None:
        """Do nothing for so long, but stop at once if the job is cancelled.

        Raises
        ------
        concurrent.futures.CancelledError
            It was.
        """
        self._cancelled.wait(seconds)
        self.check()

    def cancel(self) -> None:
        """Ask the work to stop."""
        self._cancelled.set()


class Job(Generic[_T]):
    """A long call that runs in a thread; made by `Journal.start`."""

    def __init__(self, job_id: UUID, kind: StrEnum, task: Task, future: Future[_T],
                 dropped: Callable[[], None]) -> None:  # fmt: skip
        self.id = job_id
        self.kind = kind
        self._task = task
        self._future = future
        self._dropped = dropped

    @property
    def progress(self) -> Progress:
        """How far it is now."""
        return self._task.progress

    @property
    def is_done(self) -> bool:
        """Whether it has ended, one way or another."""
        return self._future.done()

    def cancel(self) -> None:
        """Ask it to stop: at once if it has not begun, else where its work next looks."""
        self._task.cancel()
        if not self._future.done() and self._future.cancel():
            self._dropped()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for its end; return whether it came in time."""
        try:
            self._future.exception(timeout_s)
        except TimeoutError:
            return False
        except CancelledError:
            return True
        return True

    def result(self, timeout_s: float | None = None) -> _T:
        """Wait for its end and return what the work returned.

        Raises
        ------
        TimeoutError
            The end did not come in time.
        concurrent.futures.CancelledError
            It was cancelled.
        Exception
            What the work raised.
        """
        return self._future.result(timeout_s)


class Jobs:
    """The jobs of one journal."""

    def __init__(self, database: Database, records: Records, *, workers: int) -> None:
        self._database = database
        self._records = records
        self._workers = workers
        self._owner = Owner(database)
        self._lock = Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._live: dict[UUID, Callable[[], None]] = {}

    def start(self, kind: StrEnum, work: Callable[[Task], _T]) -> Job[_T]:
        """Run work in a thread; see `Journal.start`."""
        if not isinstance(kind, StrEnum):
            raise TypeError("The kind of a job is a member of a StrEnum: a text could be a name")
        job_id = uuid4()
        task = Task(self._keeper(job_id))
        row = {
            "id": str(job_id),
            "kind": kind.value,
            "state": JobState.QUEUED.value,
            "done": 0,
            "created": time_text(self._records.now()),
            "owner": str(self._owner.id),
        }
        queued = Event(EventKind.JOB_QUEUED, code=kind, subject=job_id)
        with self._lock:
            self._owner.take()
            with self._database.writing() as connection:
                connection.execute(insert(jobs), row)
                entries = self._records.append(connection, [queued])
            self._records.told(entries)
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._workers, "dicomlab-job")
            future = self._executor.submit(self._run, job_id, task, work)
            job = Job(job_id, kind, task, future, lambda: self._end(job_id, JobState.CANCELLED))
            self._live[job_id] = job.cancel
        future.add_done_callback(lambda _: self._live.pop(job_id, None))
        return job

    def _run(self, job_id: UUID, task: Task, work: Callable[[Task], _T]) -> _T:
        self._begin(job_id)
        try:
            result = work(task)
        except CancelledError:
            self._end(job_id, JobState.CANCELLED)
            raise
        except BaseException as exc:
            self._end(job_id, JobState.FAILED, error=type(exc).__name__)
            raise
        self._end(job_id, JobState.DONE, progress=task.progress)
        return result

    def _begin(self, job_id: UUID) -> None:
        started = {"state": JobState.RUNNING.value, "started": time_text(self._records.now())}
        self._change(job_id, started, Event(EventKind.JOB_STARTED, subject=job_id))

    def _end(
        self,
        job_id: UUID,
        state: JobState,
        *,
        error: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        ended: dict[str, object] = {
            "state": state.value,
            "ended": time_text(self._records.now()),
            "error": error,
        }
        if progress is not None:
            ended |= {"done": progress.done, "total": progress.total}
        bad = state in {JobState.FAILED, JobState.INTERRUPTED}
        outcome = Outcome.SERIOUS_FAILURE if bad else Outcome.SUCCESS
        event = Event(EventKind.JOB_ENDED, outcome, code=state, subject=job_id)
        try:
            self._change(job_id, ended, event)
        except StorageError:
            # The work is done, or has its own error to tell; the next open finds it interrupted.
            # Without the trace: it would show what the work raised.
            _LOG.error("The end of job %s could not be recorded", job_id)

    def _change(self, job_id: UUID, values: Mapping[str, object], event: Event) -> None:
        with self._database.writing() as connection:
            connection.execute(update(jobs).where(jobs.c.id == str(job_id)).values(**values))
            entries = self._records.append(connection, [event])
        self._records.told(entries)

    def _keeper(self, job_id: UUID) -> Callable[[Progress], None]:
        """Return what writes the progress of a job, about once a second."""
        kept = self._records.now()

        def keep(progress: Progress) -> None:
            nonlocal kept
            now = self._records.now()
            if now - kept < _KEEP_PROGRESS_EVERY:
                return
            kept = now
            values = {"done": progress.done, "total": progress.total}
            with self._database.writing() as connection:
                connection.execute(update(jobs).where(jobs.c.id == str(job_id)).values(**values))

        return keep

    def interrupt_orphans(self) -> None:
        """Mark the jobs whose process is gone."""
        unended = jobs.c.state.in_(UNENDED)
        with self._database.reading() as connection:
            owners = connection.scalars(select(jobs.c.owner).where(unended).distinct()).all()
        for owner in owners:
            if is_alive(self._database, UUID(owner)):
                continue
            with self._database.reading() as connection:
                mine = select(jobs.c.id).where(unended, jobs.c.owner == owner)
                orphans = connection.scalars(mine.order_by(jobs.c.created)).all()
            for orphan in orphans:
                self._end(UUID(orphan), JobState.INTERRUPTED)

    def records(self, state: JobState | None) -> Iterator[JobRecord]:
        """Yield jobs, the newest first."""
        query = select(jobs).order_by(jobs.c.created.desc(), jobs.c.id)
        if state is not None:
            query = query.where(jobs.c.state == state.value)
        with self._database.reading() as connection:
            rows = rows_of(connection, query)
        yield from map(_record_of, rows)

    def record(self, job_id: UUID) -> JobRecord:
        """Return one job; see `Journal.job`."""
        with self._database.reading() as connection:
            rows = rows_of(connection, select(jobs).where(jobs.c.id == str(job_id)))
        if not rows:
            raise NotFoundError(
                f"The journal has no job {job_id}. Journal.jobs lists those it has."
            )
        return _record_of(rows[0])

    def close(self) -> None:
        """Cancel what runs, wait for it, and give the lock back."""
        with self._lock:
            live, executor = list(self._live.values()), self._executor
            self._executor = None
        for cancel in live:
            cancel()
        if executor is not None:
            executor.shutdown()
        self._owner.release()


def _record_of(row: Mapping[str, object]) -> JobRecord:
    def time(name: str) -> datetime | None:
        value = row[name]
        return None if value is None else datetime.fromisoformat(str(value)).astimezone(UTC)

    created = time("created")
    assert created is not None
    return JobRecord(
        id=UUID(str(row["id"])),
        kind=str(row["kind"]),
        state=JobState(str(row["state"])),
        done=cast("int", row["done"]),
        total=cast("int | None", row["total"]),
        created=created,
        started=time("started"),
        ended=time("ended"),
        error=cast("str | None", row["error"]),
    )
