"""Many files into the archive: read by several threads, written by one, in groups."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from dicomlab.archive._database import Database
from dicomlab.archive._report import ImportReport, ImportRow, Outcome
from dicomlab.archive._room import Room
from dicomlab.archive._staging import Present, Staged, stage
from dicomlab.archive._store import Store
from dicomlab.archive._writer import add, known_contents
from dicomlab.errors import IncompleteError, StorageError
from dicomlab.safety import Bounds, Candidate, Drain, Refusal, find_candidates

_READERS = min(4, os.cpu_count() or 1)
_AHEAD = 4 * _READERS
_GROUP_FILES = 256
_GROUP_BYTES = 64 << 20

Result: TypeAlias = Staged | Present | ImportRow


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
    paths: Iterable[str | os.PathLike[str]],
    bounds: Bounds,
    progress: Callable[[ImportProgress], None] | None,
    room: Room,
) -> ImportReport:
    """Import what the paths hold; see `dicomlab.archive.Archive.import_`."""
    started = time.monotonic()
    report = ImportReport()
    listed = [os.fspath(path) for path in paths]
    importer = _Importer(database, store, bounds, room)
    try:
        with store.incoming() as folder:
            importer.run(folder, listed, progress)
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

    def __init__(self, database: Database, store: Store, bounds: Bounds, room: Room) -> None:
        self._database = database
        self._store = store
        self._bounds = bounds
        self._room = room
        self._commits: list[Future[list[ImportRow]]] = []

    def run(
        self,
        folder: Path,
        paths: list[str],
        progress: Callable[[ImportProgress], None] | None,
    ) -> None:
        """Import to the end of the paths, or until an error or an interrupt."""
        tell = _teller(find_candidates(paths, self._bounds, contents=False), progress)
        readers = ThreadPoolExecutor(_READERS, "dicomlab-read")
        writer = ThreadPoolExecutor(1, "dicomlab-write")
        try:
            for group in _groups(self._staged(folder, paths, readers)):
                # One group is committed while the next is read, and no more: memory stays flat.
                if self._commits:
                    tell(self._commits[-1].result())
                self._commits.append(writer.submit(self._commit, folder, group))
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

    def _staged(
        self, folder: Path, paths: list[str], readers: ThreadPoolExecutor
    ) -> Iterator[Result]:
        """Yield what the readers made of each file, in the order of the files."""
        ahead: deque[Future[Result] | ImportRow] = deque()
        for found in find_candidates(paths, self._bounds):
            if isinstance(found, Refusal):
                ahead.append(_refused(found))
            elif not isinstance(found, Drain):
                ahead.append(
                    readers.submit(stage, found, self._store, folder, self._bounds, self._room)
                )
            while ahead and (isinstance(found, Drain) or len(ahead) > _AHEAD):
                yield _result(ahead.popleft())
        while ahead:
            yield _result(ahead.popleft())

    def _commit(self, folder: Path, group: list[Result]) -> list[ImportRow]:
        """Make a group durable: the files first, then the index in one transaction."""
        present = {one.sha256 for one in group if isinstance(one, Present)}
        with self._database.reading() as connection:
            known = known_contents(connection, present)
        settled = [
            stage(one.candidate, self._store, folder, self._bounds, self._room, again=True)
            if isinstance(one, Present) and one.sha256 not in known
            else one
            for one in group
        ]
        staged = [one for one in settled if isinstance(one, Staged)]
        if staged:
            self._store.take_in((one.temporary, one.entry.sha256) for one in staged)
            with self._database.writing() as connection:
                outcomes = iter(add(connection, [one.entry for one in staged]))
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
            else one
            for one in settled
        ]


def _refused(found: Refusal) -> ImportRow:
    return ImportRow(found.path, Outcome.REFUSED, reason=found.reason, message=found.message)


def _result(ahead: Future[Result] | ImportRow) -> Result:
    return ahead if isinstance(ahead, ImportRow) else ahead.result()


def _groups(results: Iterable[Result]) -> Iterator[list[Result]]:
    """Yield groups that are worth a commit of their own."""
    group: list[Result] = []
    size = 0
    for result in results:
        group.append(result)
        size += result.entry.size if isinstance(result, Staged) else 0
        if len(group) >= _GROUP_FILES or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _row(staged: Staged, outcome: Outcome) -> ImportRow:
    reason = message = ""
    if outcome is Outcome.OTHER_CONTENT:
        reason = "same-uid-other-content"
        message = (
            "The archive has an instance of this SOP Instance UID with other content. Both are "
            "kept; the first stays the one that queries and volumes see."
        )
    return ImportRow(
        staged.path, outcome, staged.entry.size, staged.entry.sop_instance_uid, reason, message
    )


def _teller(
    found: Iterable[Candidate | Refusal | Drain],
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
