"""Many files into the archive: read by several threads, written by one, in groups."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import Connection

from dicomlab.archive._database import Database
from dicomlab.archive._inlet import Inlet, Refused
from dicomlab.archive._notes import Terms
from dicomlab.archive._quarantine_files import QuarantineFiles
from dicomlab.archive._report import ImportReport, ImportRow, Outcome
from dicomlab.archive._room import Room
from dicomlab.archive._staging import Present, Staged, stage
from dicomlab.archive._store import Store
from dicomlab.archive._tombstones import deleted_among
from dicomlab.archive._writer import add, known_contents
from dicomlab.errors import IncompleteError, StorageError
from dicomlab.safety import Drain, Found, Refusal

_READERS = min(4, os.cpu_count() or 1)
_AHEAD = 4 * _READERS
_GROUP_FILES = 512
_GROUP_BYTES = 64 << 20

Result: TypeAlias = Staged | Present | Refused
Walk: TypeAlias = Callable[[bool], Iterator[Found]]
"""What there is to import; the flag says whether the candidates are going to be opened."""


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is.

    Attributes
    ----------
    files, bytes
        Done with: on disk and indexed, or refused.
    total_files, total_bytes
        What there was to do when the import began.
    """

    files: int
    bytes: int
    total_files: int
    total_bytes: int


def import_files(
    database: Database,
    store: Store,
    quarantine: QuarantineFiles,
    walk: Walk,
    terms: Terms,
    progress: Callable[[ImportProgress], None] | None,
    room: Room,
    arrived: Callable[[], None],
) -> ImportReport:
    """Import what a walk finds; see `dicomlab.archive.Archive.import_`."""
    started = time.monotonic()
    report = ImportReport()
    importer = _Importer(database, arrived)
    try:
        with store.incoming() as folder:
            importer.run(Inlet(database, store, quarantine, folder, room, terms), walk, progress)
    except KeyboardInterrupt:
        report.interrupted = True
    except StorageError as error:
        report.interrupted = True
        raise IncompleteError(
            f"The import stopped before its end. {error} What the report calls new is in the "
            "archive; import the same paths again for the rest.",
            report=report,
        ) from error
    finally:
        report.rows = importer.rows()
        report.seconds = time.monotonic() - started
    return report


class _Importer:
    """One import: readers stage files ahead, one writer commits groups behind."""

    def __init__(self, database: Database, arrived: Callable[[], None]) -> None:
        self._database = database
        self._arrived = arrived
        self._commits: list[Future[list[ImportRow]]] = []

    def run(
        self,
        inlet: Inlet,
        walk: Walk,
        progress: Callable[[ImportProgress], None] | None,
    ) -> None:
        """Import to the end of the walk, or until an error or an interrupt."""
        tell = _teller(walk(False), progress)
        readers = ThreadPoolExecutor(max(_READERS, inlet.store.at_once), "dicomlab-read")
        writer = ThreadPoolExecutor(1, "dicomlab-write")
        try:
            for group in _groups(self._staged(inlet, walk(True), readers)):
                # One group is committed while the next is read, and no more: memory stays flat.
                if self._commits:
                    tell(self._commits[-1].result())
                self._commits.append(writer.submit(self._commit, inlet, group))
            if self._commits:
                tell(self._commits[-1].result())
        finally:
            readers.shutdown(cancel_futures=True)
            writer.shutdown()

    def rows(self) -> list[ImportRow]:
        """Return what became of each file whose group was committed."""
        return [
            row
            for commit in self._commits
            if commit.done() and commit.exception() is None
            for row in commit.result()
        ]

    @staticmethod
    def _staged(
        inlet: Inlet, walk: Iterator[Found], readers: ThreadPoolExecutor
    ) -> Iterator[Result]:
        """Yield what the readers made of each file, in the order of the files."""
        ahead: deque[Future[Result]] = deque()
        for found in walk:
            if isinstance(found, Refusal):
                ahead.append(readers.submit(inlet.refuse_file, found))
            elif not isinstance(found, Drain):
                ahead.append(readers.submit(stage, found, inlet))
            while ahead and (isinstance(found, Drain) or len(ahead) > _AHEAD):
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    def _commit(self, inlet: Inlet, group: list[Result]) -> list[ImportRow]:
        """Make a group durable: the files first, then the index in one transaction."""
        present = {one.sha256 for one in group if isinstance(one, Present)}
        with self._database.reading() as connection:
            known = known_contents(connection, present)
        settled = [
            stage(one.candidate, inlet, again=True)
            if isinstance(one, Present) and one.sha256 not in known
            else one
            for one in group
        ]
        _quarantine(inlet, settled)
        staged = [one for one in settled if isinstance(one, Staged)]
        terms = {one.entry.sha256: one.terms for one in staged if one.terms is not None}
        if terms:
            inlet.quarantine.note_terms(terms, inlet.folder)
        with self._database.reading() as connection:
            buried = deleted_among(connection, (one.entry.sha256 for one in staged))
        _take_in(inlet, [one for one in staged if one.entry.sha256 not in buried])
        outcomes: Iterator[Outcome] = iter(())
        if staged:
            with self._database.writing() as connection:
                settled = _settle_deleted(connection, inlet, settled, buried)
                entries = [one.entry for one in settled if isinstance(one, Staged)]
                outcomes = iter(add(connection, entries))
            self._arrived()
        return [
            _row(one, next(outcomes))
            if isinstance(one, Staged)
            else ImportRow(
                one.path,
                Outcome.ALREADY_THERE,
                one.candidate.size,
                sop_instance_uid=known[one.sha256],
            )
            if isinstance(one, Present)
            else one.row
            for one in settled
        ]


def _quarantine(inlet: Inlet, results: Iterable[Result]) -> None:
    """Keep what was refused."""
    held = [one.held for one in results if isinstance(one, Refused) and one.held is not None]
    if held:
        inlet.quarantine.take_in(held, inlet.folder)


def _take_in(inlet: Inlet, staged: Sequence[Staged]) -> None:
    if staged:
        inlet.store.take_in((one.temporary, one.entry.sha256) for one in staged)


def _settle_deleted(
    connection: Connection, inlet: Inlet, settled: list[Result], buried: set[str]
) -> list[Result]:
    """Bring back the files of contents that were deleted, in the writers' turn.

    Outside of it their files may be removed as soon as they are there. One that was deleted since
    `buried` was asked for has its file no more: it is read once more.
    """
    shas = [one.entry.sha256 for one in settled if isinstance(one, Staged)]
    deleted = deleted_among(connection, shas)
    if not deleted:
        return settled
    late = deleted - buried
    again = [
        stage(one.candidate, inlet, again=True)
        if isinstance(one, Staged) and one.entry.sha256 in late
        else one
        for one in settled
    ]
    _quarantine(inlet, [new for new, old in zip(again, settled, strict=True) if new is not old])
    _take_in(
        inlet, [one for one in again if isinstance(one, Staged) and one.entry.sha256 in deleted]
    )
    return again


def _groups(results: Iterable[Result]) -> Iterator[list[Result]]:
    """Yield groups that are worth a commit of their own."""
    group: list[Result] = []
    size = 0
    for result in results:
        group.append(result)
        size += _size(result)
        if len(group) >= _GROUP_FILES or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _size(result: Result) -> int:
    """Return how many bytes wait on the disk for the commit."""
    if isinstance(result, Staged):
        return result.entry.size
    held = result.held if isinstance(result, Refused) else None
    return 0 if held is None else held.entry.size


def _row(staged: Staged, outcome: Outcome) -> ImportRow:
    reason = message = ""
    if outcome is Outcome.OTHER_CONTENT:
        reason = "same-uid-other-content"
        message = (
            "The archive has an instance of this SOP Instance UID with other content. Both are "
            "kept; the first stays the one that queries and volumes see."
        )
    entry = staged.entry
    return ImportRow(
        staged.path, outcome, entry.size, entry.sop_instance_uid, reason, message,
        findings=entry.findings,
    )  # fmt: skip


def _teller(
    found: Iterator[Found],
    progress: Callable[[ImportProgress], None] | None,
) -> Callable[[list[ImportRow]], None]:
    """Return what tells the caller how far the import is; without one, nothing is counted."""
    if progress is None:
        return lambda _rows: None
    listed = [one for one in found if not isinstance(one, Drain)]
    sizes = [0 if isinstance(one, Refusal) else one.size for one in listed]
    total = (len(sizes), sum(sizes))
    done = [0, 0]

    def tell(rows: list[ImportRow]) -> None:
        done[0] += len(rows)
        done[1] += sum(row.size for row in rows)
        progress(ImportProgress(done[0], done[1], *total))

    return tell
