"""What the archive does, told to the journal: UIDs, counts and codes, nothing of a patient.

What takes something away must be on record before it begins, or it does not begin. What brings
something in is never refused because the journal fails: what was sent may not be sent again.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID, uuid4

from dicomlab.archive._notes import QuarantineEntry
from dicomlab.errors import DicomlabError, IncompleteError, StorageError
from dicomlab.journal import Count, Event, EventKind, Journal
from dicomlab.journal import Outcome as Ending
from dicomlab.safety import RefusalCode
from dicomlab.standard import Level

_LOG = logging.getLogger(__name__)
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")


class Doing(StrEnum):
    """What the archive does, as the code of an event."""

    IMPORT_BEGUN = "import-begun"
    IMPORT_ENDED = "import-ended"
    DELETION_BEGUN = "deletion-begun"
    DELETION_ENDED = "deletion-ended"
    RETENTION_BEGUN = "retention-begun"
    RETENTION_ENDED = "retention-ended"
    CHECK_BEGUN = "check-begun"
    CHECK_ENDED = "check-ended"
    REPAIR_BEGUN = "repair-begun"
    REPAIR_ENDED = "repair-ended"
    REBUILD_BEGUN = "rebuild-begun"
    REBUILD_ENDED = "rebuild-ended"
    RELEASE_BEGUN = "release-begun"
    RELEASE_ENDED = "release-ended"
    DISCARD_BEGUN = "discard-begun"
    DISCARD_ENDED = "discard-ended"


@dataclass
class Done:
    """What became of something; its end is recorded with it.

    Attributes
    ----------
    counts
        How many of what.
    ending
        How it ended.
    """

    counts: Mapping[Count, int] = field(default_factory=dict)
    ending: Ending = Ending.SUCCESS


class Audit:
    """The journal of one archive, opened when there is something to record.

    Parameters
    ----------
    open_journal
        Opens it; ``None`` where nothing is to be recorded.
    """

    def __init__(self, open_journal: Callable[[], Journal] | None) -> None:
        self._open = open_journal
        self._journal: Journal | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the journal."""
        with self._lock:
            journal, self._journal = self._journal, None
        if journal is not None:
            journal.close()

    @contextmanager
    def recorded(self, event: Event, begun: Doing, ended: Doing, *, strict: bool) -> Iterator[Done]:
        """Record the beginning and the end of something.

        Parameters
        ----------
        event
            What it is, and what it is about.
        begun, ended
            The codes of both.
        strict
            It does not begin if that cannot be recorded.

        Raises
        ------
        StorageError
            It is `strict`, and its beginning could not be recorded.
        """
        done = Done()
        event = replace(event, subject=event.subject or uuid4())
        self._record(replace(event, code=begun), strict=strict)
        started = time.monotonic()
        try:
            yield done
        except (IncompleteError, KeyboardInterrupt):
            done.ending = Ending.MINOR_FAILURE
            raise
        except BaseException:
            done.ending = Ending.SERIOUS_FAILURE
            raise
        finally:
            took = round(time.monotonic() - started, 3)
            end = replace(
                event, code=ended, outcome=done.ending, counts=done.counts, duration_s=took
            )
            self._record(end, strict=False)

    def importing(self) -> AbstractContextManager[Done]:
        """Record an import; it goes on unrecorded."""
        event = Event(EventKind.DATA_IMPORTED)
        return self.recorded(event, Doing.IMPORT_BEGUN, Doing.IMPORT_ENDED, strict=False)

    def checking(self, *, repair: bool, rebuild: bool) -> AbstractContextManager[Done]:
        """Record a check; where it changes something, it does not begin unrecorded."""
        begun, ended = Doing.CHECK_BEGUN, Doing.CHECK_ENDED
        if rebuild:
            begun, ended = Doing.REBUILD_BEGUN, Doing.REBUILD_ENDED
        elif repair:
            begun, ended = Doing.REPAIR_BEGUN, Doing.REPAIR_ENDED
        event = Event(EventKind.ARCHIVE_CHECKED)
        return self.recorded(event, begun, ended, strict=repair or rebuild)

    def retention(self) -> AbstractContextManager[Done]:
        """Record that rules are applied; unrecorded they are not."""
        event = Event(EventKind.STUDY_DELETED)
        return self.recorded(event, Doing.RETENTION_BEGUN, Doing.RETENTION_ENDED, strict=True)

    def deletion(self, level: Level, uid: str, *, part_of: UUID) -> AbstractContextManager[Done]:
        """Record the deletion of a study, series or instance; unrecorded it does not begin."""
        return self.recorded(
            _event_about(level, uid, part_of),
            Doing.DELETION_BEGUN,
            Doing.DELETION_ENDED,
            strict=True,
        )

    def quarantined(self, entries: Sequence[QuarantineEntry]) -> None:
        """Record a security alert for each file that went into quarantine; it is there anyhow."""
        alerts = [
            _event_of_file(
                EventKind.SECURITY_ALERT, one, code=_code(one.reason), outcome=Ending.MINOR_FAILURE
            )
            for one in entries
        ]
        self._record(*alerts, strict=False)

    def releasing(self, entry: QuarantineEntry) -> AbstractContextManager[Done]:
        """Record that a file leaves the quarantine for the archive; unrecorded it does not."""
        event = _event_of_file(EventKind.QUARANTINE_RELEASED, entry)
        return self.recorded(event, Doing.RELEASE_BEGUN, Doing.RELEASE_ENDED, strict=True)

    def discarding(self, entry: QuarantineEntry) -> AbstractContextManager[Done]:
        """Record that a file in quarantine is deleted; unrecorded it is not."""
        event = _event_of_file(EventKind.QUARANTINE_DISCARDED, entry)
        return self.recorded(event, Doing.DISCARD_BEGUN, Doing.DISCARD_ENDED, strict=True)

    def _record(self, *events: Event, strict: bool) -> None:
        if self._open is None or not events:
            return
        try:
            with self._lock:
                if self._journal is None:
                    self._journal = self._open()
                self._journal.record_all(events)
        except DicomlabError as error:
            if strict:
                raise StorageError(
                    f"Nothing was done, because it could not be recorded in the journal. {error}"
                ) from error
            _LOG.error("The journal did not take %s: %s", events[0].code, error)


def _code(reason: str) -> RefusalCode | None:
    return RefusalCode(reason) if reason in set(RefusalCode) else None


def _event_of_file(
    kind: EventKind,
    entry: QuarantineEntry,
    *,
    code: StrEnum | None = None,
    outcome: Ending = Ending.SUCCESS,
) -> Event:
    """Return an event about a refused file: its digest, its size, and UIDs that are some."""
    return Event(
        kind,
        outcome=outcome,
        code=code,
        study_instance_uid=_uid(entry, "StudyInstanceUID"),
        series_instance_uid=_uid(entry, "SeriesInstanceUID"),
        sop_instance_uid=_uid(entry, "SOPInstanceUID"),
        counts={Count.BYTES: entry.size},
        digest=entry.id,
    )


def _uid(entry: QuarantineEntry, keyword: str) -> str | None:
    """Return a UID of a refused file, if it is one."""
    uid = entry.uids.get(keyword, "")
    return uid if _UID.fullmatch(uid) else None


def _event_about(level: Level, uid: str, part_of: UUID) -> Event:
    """Return an event about a UID; where that is none, it has its digest."""
    event = Event(EventKind.STUDY_DELETED, subject=part_of)
    if len(uid) > 64 or not _UID.fullmatch(uid):
        digest = hashlib.sha256(uid.encode(errors="surrogatepass")).hexdigest()
        return replace(event, digest=digest)
    if level is Level.STUDY:
        return replace(event, study_instance_uid=uid)
    if level is Level.SERIES:
        return replace(event, series_instance_uid=uid)
    return replace(event, sop_instance_uid=uid)
