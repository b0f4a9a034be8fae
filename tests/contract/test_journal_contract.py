"""What the journal promises, on each database that it is kept in."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from threading import Event as Flag
from uuid import UUID, uuid4

import pytest
from sqlalchemy import URL, create_engine, text

from dicomlab.errors import NotFoundError, StorageError, UnsupportedError
from dicomlab.journal import (
    Count,
    Entry,
    Event,
    EventKind,
    Fault,
    Head,
    JobState,
    Journal,
    Outcome,
    Task,
)

ROOT = Path(__file__).parents[2]
QUERIED = Event(EventKind.QUERIED)


PUT_IN = """
    INSERT INTO journal_event
    SELECT 9, time, kind, outcome, code, study_instance_uid, series_instance_uid, sop_instance_uid,
           aet, address, status, counts, duration_us, subject, digest, hash, hash
    FROM journal_event WHERE sequence = 8
"""


class Kind(StrEnum):
    """Kinds of job, and reasons, of this test."""

    COPY = "copy"
    TOO_DEEP = "too-deep"


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.time = datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_(self, **spans: float) -> datetime:
        self.time += timedelta(**spans)
        return self.time


@dataclass
class Place:
    """A database for one journal, its head file and its clock."""

    url: URL
    head: Path
    clock: Clock = field(default_factory=Clock)

    def open(self, **options: object) -> Journal:
        return Journal.open(self.url, head=self.head, clock=self.clock, **options)  # type: ignore[arg-type]

    def tamper(self, *statements: str) -> None:
        """Change the database behind the journal's back."""
        engine = create_engine(self.url)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def process(self, mode: str, number: int = 0) -> subprocess.Popen[str]:
        """Start another process that uses the journal."""
        url = self.url.render_as_string(hide_password=False)
        command = [sys.executable, "-m", "tests.journal_writer", mode, url, str(self.head)]
        return subprocess.Popen(
            [*command, str(number)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place in each kind of database."""
    if request.param == "postgresql":
        return Place(request.getfixturevalue("postgres").database(), tmp_path / "head")
    return Place(URL.create("sqlite", database=str(tmp_path / "journal.sqlite")), tmp_path / "head")


@pytest.fixture
def journal(place: Place) -> Iterator[Journal]:
    """A new journal."""
    with place.open() as journal:
        yield journal


def acknowledged(said: str) -> list[tuple[int, str]]:
    """Return what a writer printed."""
    return [(int(line.split()[0]), line.split()[1]) for line in said.splitlines()]


class TestEvents:
    def test_reads_back_as_recorded(self, place: Place, journal: Journal) -> None:
        """Every attribute, and the time that the clock said."""
        subject = uuid4()
        event = Event(
            EventKind.INPUT_REFUSED,
            Outcome.MINOR_FAILURE,
            code=Kind.TOO_DEEP,
            study_instance_uid="1.2.3",
            series_instance_uid="1.2.3.4",
            sop_instance_uid="1.2.3.4.5",
            aet="STORE_SCU",
            address=ip_address("::1"),
            status=0xA700,
            counts={Count.BYTES: 2**40, Count.INSTANCES: 0},
            duration_s=1.5,
            subject=subject,
            digest="ab" * 32,
        )

        recorded = journal.record(event)

        (read,) = journal.events()
        assert read == recorded
        assert (read.sequence, read.time) == (1, place.clock.time)
        assert (read.kind, read.outcome, read.code) == (event.kind, event.outcome, "too-deep")
        for name in (
            "study_instance_uid", "series_instance_uid", "sop_instance_uid", "aet", "address",
            "status", "counts", "duration_s", "subject", "digest",
        ):  # fmt: skip
            assert getattr(read, name) == getattr(event, name)

    def test_are_found_by_kind_time_subject_and_number(
        self, place: Place, journal: Journal
    ) -> None:
        """Filters join; the newest may come first; a limit counts what passes the filters."""
        subject = uuid4()
        start = place.clock.time
        for index in range(6):
            kind = EventKind.QUERIED if index % 2 else EventKind.DATA_IMPORTED
            journal.record(Event(kind, subject=subject if index > 3 else None))
            place.clock.pass_(minutes=1)

        def found(**filters: object) -> list[int]:
            return [entry.sequence for entry in journal.events(**filters)]  # type: ignore[arg-type]

        assert found() == [1, 2, 3, 4, 5, 6]
        assert found(kind=EventKind.QUERIED) == [2, 4, 6]
        assert found(since=start + timedelta(minutes=2)) == [3, 4, 5, 6]
        assert found(until=start + timedelta(minutes=2)) == [1, 2]
        assert found(subject=subject, kind=EventKind.QUERIED) == [6]
        assert found(newest_first=True, limit=2) == [6, 5]
        assert found(kind=EventKind.QUERIED, limit=2) == [2, 4]
        assert found(limit=0) == []

    def test_stream_over_many_pages_while_others_write(self, journal: Journal) -> None:
        """The order holds, nothing comes twice, and what is written meanwhile may come too."""
        journal.record_all(QUERIED for _ in range(1203))
        stream = journal.events()
        first = next(stream)
        journal.record(QUERIED)

        numbers = [first.sequence, *(entry.sequence for entry in stream)]

        assert numbers == list(range(1, 1205))
        assert [e.sequence for e in journal.events(newest_first=True)] == numbers[::-1]
        assert journal.verify().entries == 1204

    def test_together_all_or_none_are_recorded(self, journal: Journal) -> None:
        """A failure in the middle leaves nothing behind."""

        def failing() -> Iterator[Event]:
            yield QUERIED
            raise RuntimeError("in the middle")

        with pytest.raises(RuntimeError, match="in the middle"):
            journal.record_all(failing())
        assert journal.record_all([]) == ()

        assert list(journal.events()) == []
        assert journal.record(QUERIED).sequence == 1

    def test_failures_and_security_alerts_call_back(self, journal: Journal) -> None:
        """After they are recorded, until the calls are ended; an alert that fails stops nothing."""
        told: list[Entry] = []

        def broken(entry: Entry) -> None:
            raise RuntimeError("no mail server")

        end_broken = journal.on_alert(broken)
        end = journal.on_alert(lambda entry: told.extend(journal.events(subject=entry.subject)))

        journal.record(QUERIED)
        failed = journal.record(Event(EventKind.QUERIED, Outcome.MAJOR_FAILURE, subject=uuid4()))
        alert = journal.record(Event(EventKind.SECURITY_ALERT, subject=uuid4()))
        end()
        end_broken()
        journal.record(Event(EventKind.SECURITY_ALERT))

        assert told == [failed, alert]


class TestChain:
    def test_many_threads_and_processes_write_one_chain(
        self, place: Place, journal: Journal
    ) -> None:
        """Nobody waits in vain, no number comes twice, nothing is lost."""
        others = [place.process("write", 20) for _ in range(2)]
        with ThreadPoolExecutor(6) as pool:
            ours = list(pool.map(lambda _: journal.record(QUERIED), range(60)))
        said = [acknowledged(other.communicate(timeout=120)[0]) for other in others]

        assert [other.returncode for other in others] == [0, 0]
        expected = sorted([(e.sequence, e.hash) for e in ours] + said[0] + said[1])
        assert [(e.sequence, e.hash) for e in journal.events()] == expected
        assert [sequence for sequence, _ in expected] == list(range(1, 101))
        assert journal.verify().is_whole
        assert journal.head() == Head(*expected[-1])

    def test_what_was_acknowledged_survives_a_kill_at_any_step(self, place: Place) -> None:
        """Twelve writers killed in statements, commits and the head: all is there, and whole."""
        writer = place.process("die", 12)
        said = acknowledged(writer.communicate(timeout=240)[0])
        assert writer.returncode == 0

        with place.open() as journal:
            found = [(entry.sequence, entry.hash) for entry in journal.events()]
            assert set(said) <= set(found)
            assert len(said) <= len(found) <= len(said) + 12
            assert len(said) > 20
            assert journal.verify().is_whole
            journal.record(QUERIED)
            assert journal.verify().is_whole

    @pytest.mark.parametrize(
        ("statements", "fault", "broken"),
        [
            (["DELETE FROM journal_event WHERE sequence = 4"], Fault.GAP, 4),
            (["DELETE FROM journal_event WHERE sequence = 1"], Fault.START, 1),
            (["DELETE FROM journal_event WHERE sequence > 6"], Fault.TRUNCATED, 7),
            (["DELETE FROM journal_event"], Fault.TRUNCATED, 1),
            (["UPDATE journal_event SET outcome = 4 WHERE sequence = 5"], Fault.CONTENT, 5),
            (["UPDATE journal_event SET sequence = 99 WHERE sequence = 3",
              "UPDATE journal_event SET sequence = 3 WHERE sequence = 4",
              "UPDATE journal_event SET sequence = 4 WHERE sequence = 99"], Fault.LINK, 3),
            ([PUT_IN], Fault.CONTENT, 9),
        ],
        ids=["delete", "delete-first", "cut-end", "delete-all", "change", "reorder", "insert"],
    )  # fmt: skip
    def test_tampering_is_named(
        self, place: Place, statements: list[str], fault: Fault, broken: int
    ) -> None:
        """The first entry that is broken, and how; opening and writing do not hide it."""
        with place.open() as journal:
            journal.record_all([QUERIED] * 8)
            assert journal.verify().is_whole

        place.tamper(*statements)

        with place.open() as journal:
            found = journal.verify()
            assert (found.fault, found.broken) == (fault, broken)
            assert not found.is_whole
            place.clock.pass_(days=1)
            journal.record_all([QUERIED] * 9)
            after = journal.verify()
        assert after.fault is fault

    def test_a_chain_computed_anew_is_found_by_the_head(self, place: Place) -> None:
        """Who can write the database alone cannot make another past; a kept head shows it too."""
        with place.open() as journal:
            journal.record_all([QUERIED] * 8)
            witness = journal.head()
        place.tamper("DELETE FROM journal_event WHERE sequence > 5")
        head = place.head.read_bytes()
        place.head.unlink()
        with place.open() as journal:
            journal.record_all([QUERIED, QUERIED, Event(EventKind.DATA_EXPORTED), QUERIED])
            assert journal.verify().fault is Fault.HEAD_MISSING
            found = journal.verify(witness)
            assert (found.fault, found.broken) == (Fault.TRUNCATED, 8)

            place.head.write_bytes(head)

            assert journal.verify() == found

    def test_a_head_that_is_gone_or_broken_is_said(self, place: Place) -> None:
        """It is not made anew in silence; accepting the journal makes it, and is recorded."""
        with place.open() as journal:
            journal.record(QUERIED)
            place.head.write_bytes(b"\0" * 86)
            assert journal.verify().fault is Fault.HEAD_UNREADABLE
            place.head.unlink()
        with place.open() as journal:
            journal.record(QUERIED)
            assert journal.verify().fault is Fault.HEAD_MISSING

            accepted = journal.accept_head()

            assert accepted.kind is EventKind.HEAD_ACCEPTED
            assert journal.verify().is_whole
            assert journal.verify().entries == 3

    def test_a_changed_entry_is_not_read_as_if_it_were_one(self, place: Place) -> None:
        """Reading says where to look, and not what stands there."""
        with place.open() as journal:
            journal.record(QUERIED)
            place.tamper("UPDATE journal_event SET kind = 'CANARY'")

            with pytest.raises(StorageError, match=r"Entry 1 .* Journal\.verify") as raised:
                list(journal.events())

        assert "CANARY" not in str(raised.value)


class TestForgetting:
    def test_keeps_a_chain_that_verifies(self, place: Place, journal: Journal) -> None:
        """Twice, and the second time the first note is forgotten too; a kept head still serves."""
        for _ in range(10):
            journal.record(QUERIED)
            place.clock.pass_(days=1)
        witness = journal.head()
        limit = place.clock.time - timedelta(days=4)

        assert journal.forget(limit) == 6

        assert [entry.sequence for entry in journal.events()] == [7, 8, 9, 10, 11]
        note = list(journal.events())[-1]
        assert note.kind is EventKind.EVENTS_FORGOTTEN
        assert note.counts == {Count.EVENTS: 6, Count.THROUGH: 6}
        assert journal.verify(witness).is_whole
        assert journal.forget(limit) == 0

        place.clock.pass_(days=1)
        journal.record(QUERIED)
        assert journal.forget(place.clock.time) == 5
        assert [entry.sequence for entry in journal.events()] == [12, 13]
        assert journal.verify().is_whole

    def test_of_everything_keeps_the_last_entry(self, place: Place, journal: Journal) -> None:
        """The chain goes on from somewhere."""
        assert journal.forget(place.clock.time) == 0
        journal.record_all([QUERIED] * 3)

        assert journal.forget(place.clock.pass_(days=1)) == 2

        assert [entry.sequence for entry in journal.events()] == [3, 4]
        assert journal.verify().is_whole

    def test_hides_no_other_deletion(self, place: Place, journal: Journal) -> None:
        """One more entry gone at the front is one too many."""
        journal.record_all([QUERIED] * 3)
        place.clock.pass_(days=1)
        journal.record_all([QUERIED] * 3)
        journal.forget(place.clock.time)
        assert journal.verify().is_whole

        place.tamper("DELETE FROM journal_event WHERE sequence = 4")

        found = journal.verify()
        assert (found.fault, found.broken) == (Fault.START, 4)


class TestJobs:
    def test_end_with_their_result(self, place: Place, journal: Journal) -> None:
        """Progress is seen while it runs; times, state and events are kept."""
        go, reported = Flag(), Flag()

        def work(task: Task) -> str:
            task.report(1, 2)
            place.clock.pass_(seconds=2)
            task.report(2, 2)
            reported.set()
            assert go.wait(60)
            return "result"

        job = journal.start(Kind.COPY, work)
        assert reported.wait(60)
        assert not job.is_done
        assert not job.wait(0)
        assert (job.progress.done, job.progress.total) == (2, 2)
        running = journal.job(job.id)
        assert (running.state, running.done, running.total) == (JobState.RUNNING, 2, 2)
        go.set()

        assert job.result(60) == "result"
        record = journal.job(job.id)
        assert (record.kind, record.state, record.error) == ("copy", JobState.DONE, None)
        assert (record.done, record.total) == (2, 2)
        assert record.started is not None
        assert record.created <= record.started
        assert record.ended == place.clock.time
        assert list(journal.jobs()) == list(journal.jobs(JobState.DONE)) == [record]
        kinds = [entry.kind for entry in journal.events(subject=job.id)]
        assert kinds == [EventKind.JOB_QUEUED, EventKind.JOB_STARTED, EventKind.JOB_ENDED]

    def test_that_fail_say_so_to_whoever_asks(self, journal: Journal) -> None:
        """The caller gets the error, the journal its class, an alert is given."""
        told: list[Entry] = []
        journal.on_alert(told.append)

        def work(task: Task) -> None:
            raise KeyError("what it says stays with the caller")

        job = journal.start(Kind.COPY, work)

        assert job.wait(60)
        with pytest.raises(KeyError, match="stays with the caller"):
            job.result()
        record = journal.job(job.id)
        assert (record.state, record.error) == (JobState.FAILED, "KeyError")
        assert [(entry.kind, entry.code) for entry in told] == [(EventKind.JOB_ENDED, "failed")]

    def test_can_be_cancelled_running_and_queued(self, place: Place) -> None:
        """One that runs stops where it looks; one that waits never begins."""
        begun, begun_second = Flag(), Flag()

        def work(task: Task) -> None:
            begun.set()
            task.pause(60)

        with place.open(workers=1) as journal:
            running = journal.start(Kind.COPY, work)
            assert begun.wait(60)
            queued = journal.start(Kind.COPY, lambda _: begun_second.set())
            assert journal.job(queued.id).state is JobState.QUEUED

            queued.cancel()
            running.cancel()
            running.cancel()

            for job in (running, queued):
                assert job.wait(60)
                with pytest.raises(CancelledError):
                    job.result()
                assert journal.job(job.id).state is JobState.CANCELLED
            assert not begun_second.is_set()
            assert [e.code for e in journal.events(kind=EventKind.JOB_ENDED)] == ["cancelled"] * 2

    def test_are_cancelled_when_the_journal_is_closed(self, place: Place) -> None:
        """No thread is left, and no job that looks as if it ran."""
        begun = Flag()

        def work(task: Task) -> None:
            begun.set()
            task.pause(60)

        with place.open(workers=1) as journal:
            jobs = [journal.start(Kind.COPY, work) for _ in range(2)]
            assert begun.wait(60)

        assert all(job.is_done for job in jobs)
        with place.open() as journal:
            assert [record.state for record in journal.jobs()] == [JobState.CANCELLED] * 2

    def test_show_as_interrupted_after_a_crash_and_only_then(self, place: Place) -> None:
        """While its process lives, a job runs for all who open the journal."""
        other = place.process("hang")
        assert other.stdout is not None
        job_id = UUID(other.stdout.readline().strip())
        with place.open() as journal:
            assert journal.job(job_id).state is JobState.RUNNING

        other.kill()
        other.communicate()

        with place.open() as journal:
            record = journal.job(job_id)
            assert record.state is JobState.INTERRUPTED
            assert record.ended is not None
            (ended,) = journal.events(kind=EventKind.JOB_ENDED)
            assert (ended.subject, ended.outcome) == (job_id, Outcome.SERIOUS_FAILURE)
            assert journal.verify().is_whole
        with place.open() as journal:
            assert len(list(journal.events(kind=EventKind.JOB_ENDED))) == 1

    def test_that_ended_are_forgotten_with_the_events(self, place: Place, journal: Journal) -> None:
        """Those that are newer stay."""
        old = journal.start(Kind.COPY, lambda _: None)
        assert old.wait(60)
        limit = place.clock.pass_(days=1)
        new = journal.start(Kind.COPY, lambda _: None)
        assert new.wait(60)

        journal.forget(limit)

        assert [record.id for record in journal.jobs()] == [new.id]
        with pytest.raises(NotFoundError, match=r"Journal\.jobs"):
            journal.job(old.id)


class TestOpening:
    def test_a_newer_journal_is_refused(self, place: Place) -> None:
        """It is left as it is."""
        place.open().close()
        place.tamper("UPDATE journal_about SET value = '2'")

        with pytest.raises(UnsupportedError, match="schema version 2"):
            place.open()

    def test_again_goes_on_where_it_was(self, place: Place) -> None:
        """Numbers and hashes continue."""
        with place.open() as journal:
            first = journal.record(QUERIED)
        with place.open() as journal:
            second = journal.record(QUERIED)

            assert [entry.hash for entry in journal.events()] == [first.hash, second.hash]
            assert second.sequence == 2
            assert journal.verify().is_whole

    def test_at_once_from_many_makes_one(self, place: Place) -> None:
        """Who comes second finds the tables that the first made."""
        with ThreadPoolExecutor(4) as pool:
            journals = list(pool.map(lambda _: place.open(), range(4)))
        entries = [journal.record(QUERIED).sequence for journal in journals]
        for journal in journals:
            journal.close()

        assert entries == [1, 2, 3, 4]


def test_the_hash_is_the_one_that_is_documented(journal: Journal, place: Place) -> None:
    """SHA-256 over the hash before and the JSON of the columns, as anybody can compute it."""
    journal.record_all([QUERIED, Event(EventKind.QUERIED, duration_s=0.25)])

    engine = create_engine(place.url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM journal_event ORDER BY sequence")).mappings()
        previous = "0" * 64
        for row in map(dict, rows):
            assert row.pop("previous") == previous
            said = row.pop("hash")
            content = json.dumps(row, sort_keys=True, separators=(",", ":"))
            previous = hashlib.sha256((previous + content).encode()).hexdigest()
            assert said == previous
    engine.dispose()
