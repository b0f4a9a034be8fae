"""Copies of an archive: a backup is a folder that is an archive itself, and is restored from one.

First a snapshot of the index, then the files it knows: those are named by their content and never
change, so the archive may be in use. Files that are there already are not copied again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from dicomlab.archive import _files
from dicomlab.archive._check import check_archive
from dicomlab.archive._database import Database, read_only
from dicomlab.archive._findings import CheckRow, Problem
from dicomlab.archive._folder_store import FolderStore
from dicomlab.archive._incoming import write_temporary
from dicomlab.archive._notes import Terms
from dicomlab.archive._quarantine_files import Held, QuarantineFiles
from dicomlab.archive._schema import content
from dicomlab.archive._store import SHARDS, Store, each, name_of, translated
from dicomlab.errors import IncompleteError, RefusedError, StorageError
from dicomlab.safety import DEFAULT_BOUNDS, FileBytes

Progress = Callable[[int, int], None]

_BLOCK: Final = 8 << 20
_GROUP_FILES: Final = 256
_GROUP_BYTES: Final = 64 << 20
_INDEX: Final = "index.sqlite3"
_SNAPSHOTS: Final = 3
"""A deletion while files are copied asks for another snapshot; no more than these."""


@dataclass(frozen=True, slots=True)
class Content:
    """One content to be copied: its place in the order of arrival, and when it came."""

    number: int
    sha256: str
    size: int
    received_ns: int


@dataclass
class CopyReport:
    """What a backup or a restore did.

    Attributes
    ----------
    copied, present
        Files that were copied, each compared with its SHA-256, and those that were there already.
    bytes
        Of those that were copied.
    rows
        Files that could not be copied: damaged, missing or unreadable where they were.
    interrupted
        It was stopped before its end; the same call goes on from there.
    seconds
        How long it took.
    """

    copied: int = 0
    present: int = 0
    bytes: int = 0
    rows: list[CheckRow] = field(default_factory=list)
    interrupted: bool = False
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether everything is there now."""
        return not self.interrupted and not self.rows

    def to_dict(self) -> dict[str, object]:
        """Return the report for machines."""
        return {
            "copied": self.copied,
            "present": self.present,
            "bytes": self.bytes,
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 3),
            "rows": [{"problem": row.problem.value, "name": row.name} for row in self.rows],
        }

    def __str__(self) -> str:
        stopped = " Interrupted before the end: run it again for the rest." * self.interrupted
        summary = (
            f"{self.copied:,} files copied ({self.bytes:,} bytes), {self.present:,} were there, "
            f"in {self.seconds:.1f} s.{stopped}"
        )
        return "\n".join([summary, *(f"{row.problem.value}: {row.name}" for row in self.rows)])


def back_up(
    database: Database,
    store: Store,
    quarantine: QuarantineFiles,
    folder: Path,
    progress: Progress | None,
) -> CopyReport:
    """Copy an archive into a folder; see `dicomlab.archive.Archive.backup`."""
    if folder.resolve() == store.staging.resolve():
        raise ValueError("The backup is the archive's own folder: name another one.")

    def run(copier: _Copier) -> None:
        for _ in range(_SNAPSHOTS):
            snapshot = copier.folder / _INDEX
            if database.is_sqlite:
                database.snapshot(snapshot)
                copier.copy(_listed(snapshot), _count(snapshot))
            else:
                copier.copy(_known(database), _total(database))
            if not copier.forget_deleted(database):
                break
        _copy_quarantine(quarantine, kept, copier.folder)
        if database.is_sqlite:
            _install(snapshot, folder / _INDEX)

    target = FolderStore(folder)
    kept = QuarantineFiles(folder / "quarantine", quarantine.bounds)
    return _copied(store, target, progress, run)


def restore(
    database: Database,
    store: Store,
    quarantine: QuarantineFiles,
    folder: Path,
    progress: Progress | None,
) -> CopyReport:
    """Fill an empty archive from a backup; see `dicomlab.archive.Archive.restore`."""
    if not (folder / "instances").is_dir() and not (folder / _INDEX).is_file():
        raise StorageError("There is no backup in that folder: it has neither instances nor index.")
    found = _total(database)
    if found:
        raise RefusedError(
            f"The archive holds {found:,} files already: a backup is restored into an empty one. "
            "Give another location, or import the backup's folder instances.",
            rule="not-empty", limit=0, found=found,
        )  # fmt: skip
    source = FolderStore(folder)
    snapshot = folder / _INDEX if _count(folder / _INDEX) else None

    def run(copier: _Copier) -> None:
        if snapshot is None:
            listed = _stored(source)
            copier.copy(listed, len(listed))
        else:
            copier.copy(_listed(snapshot), _count(snapshot))
        _copy_quarantine(
            QuarantineFiles(folder / "quarantine", quarantine.bounds), quarantine, copier.folder
        )
        if snapshot is not None and database.is_sqlite:
            database.restore(snapshot)
        else:
            check_archive(
                database, store, quarantine, DEFAULT_BOUNDS,
                repair=False, rebuild=True, progress=None,
            )  # fmt: skip

    return _copied(source, store, progress, run)


def _copied(
    source: Store, target: Store, progress: Progress | None, run: Callable[[_Copier], None]
) -> CopyReport:
    """Run a copy and say how far it came, however it ends."""
    started = time.monotonic()
    report = CopyReport()
    try:
        with target.incoming() as folder:
            run(_Copier(source, target, folder, report, progress))
    except KeyboardInterrupt:
        report.interrupted = True
    except StorageError as error:
        report.interrupted = True
        raise IncompleteError(
            f"The copy stopped before its end. {error} What was copied is kept; run it again for "
            "the rest.",
            report=report,
        ) from error
    finally:
        report.seconds = time.monotonic() - started
    return report


class _SourceError(Exception):
    """The source, not the target, failed."""


class _Copier:
    """Copies contents from one store to another, in their order, some at a time."""

    def __init__(
        self,
        source: Store,
        target: Store,
        folder: Path,
        report: CopyReport,
        progress: Progress | None,
    ) -> None:
        self.folder = folder
        self._source = source
        self._target = target
        self._report = report
        self._progress = progress

    def copy(self, contents: Iterable[Content], total: int) -> None:
        """Copy what is not there yet."""
        report = self._report
        report.present = -report.copied  # a second snapshot finds those there
        report.rows.clear()
        done = 0
        for some in _batches(contents):
            held = each(self._target, lambda one: self._target.holds(one.sha256, one.size), some)
            missing = [one for one, is_there in zip(some, held, strict=True) if not is_there]
            fetched = list(zip(missing, each(self._source, self._fetch, missing), strict=True))
            whole = [(one, path) for one, path in fetched if isinstance(path, Path)]
            if whole:
                self._target.take_in(
                    [(path, one.sha256) for one, path in whole],
                    [one.received_ns for one, _ in whole],
                )
            report.rows += [row for _, row in fetched if isinstance(row, CheckRow)]
            report.copied += len(whole)
            report.present += len(some) - len(missing)
            report.bytes += sum(one.size for one, _ in whole)
            done += len(some)
            if self._progress is not None:
                self._progress(done, max(total, done))

    def _fetch(self, one: Content) -> Path | CheckRow:
        """Return a temporary copy of a content, or what is wrong with it."""
        source = self._source.open(one.sha256, one.size)
        digest = hashlib.sha256()

        def blocks() -> Iterator[bytes]:
            for at in range(0, one.size, _BLOCK):
                try:
                    block = source.read_at(at, _BLOCK)
                except StorageError as error:
                    raise _SourceError from error
                digest.update(block)
                yield block

        try:
            path = write_temporary(self.folder, blocks())
        except _SourceError:
            is_there = self._source.exists(one.sha256)  # or the store itself fails, which is said
            problem = Problem.UNREADABLE if is_there else Problem.MISSING
            return CheckRow(problem, name_of(one.sha256))
        if digest.hexdigest() == one.sha256:
            return path
        path.unlink()
        return CheckRow(Problem.DAMAGED, name_of(one.sha256))

    def forget_deleted(self, database: Database) -> bool:
        """Return whether something was missing because it was deleted meanwhile."""
        names = {row.name for row in self._report.rows if row.problem is Problem.MISSING}
        if not names:
            return False
        return names != {name_of(one.sha256) for one in _known(database)} & names


def _batches(contents: Iterable[Content]) -> Iterator[list[Content]]:
    batch: list[Content] = []
    size = 0
    for one in contents:
        batch.append(one)
        size += one.size
        if len(batch) >= _GROUP_FILES or size >= _GROUP_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _content(number: int, sha256: str, size: int, received: str) -> Content:
    second = int(dt.datetime.fromisoformat(received).timestamp())
    # Within a second, in their order: an index that is made from the copy shall have it.
    return Content(number, sha256, size, second * 10**9 + number % 10**9)


def _known(database: Database) -> Iterator[Content]:
    """Yield what an index knows, in the order of arrival."""
    statement = select(content.c.id, content.c.sha256, content.c.size, content.c.received)
    with database.reading() as connection:
        rows = connection.execution_options(yield_per=1000).execute(
            statement.order_by(content.c.id)
        )
        for number, sha256, size, received in rows:
            yield _content(number, sha256, size, received)


def _total(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(content)) or 0)


def _stored(store: FolderStore) -> list[Content]:
    """Return what is in a folder without an index, in the order of arrival."""
    files = [file for shard in SHARDS for file in store.listing(shard).files]
    return [
        Content(number, file.sha256, file.size, file.received_ns)
        for number, file in enumerate(store.in_order(files))
    ]


def _listed(snapshot: Path) -> Iterator[Content]:
    """Yield what a snapshot knows, in the order of arrival; the file is not changed."""
    with closing(read_only(snapshot)) as connection:
        rows = connection.execute("SELECT id, sha256, size, received FROM content ORDER BY id")
        while some := list(islice(rows, 1000)):
            yield from (_content(*row) for row in some)


def _count(snapshot: Path) -> int:
    """Return how many contents a snapshot knows; 0 where there is none."""
    if not snapshot.is_file():
        return 0
    try:
        with closing(read_only(snapshot)) as connection:
            return int(connection.execute("SELECT count(*) FROM content").fetchone()[0])
    except sqlite3.DatabaseError as error:
        raise StorageError(
            f"The index of the backup cannot be read: {error}. Move its {_INDEX} elsewhere, and "
            "the index is made from the files."
        ) from error


def _install(snapshot: Path, target: Path) -> None:
    """Put a snapshot in its place, durably; what an older one left is gone."""
    with translated("Writing the index of the backup"):
        _files.sync_file(snapshot)
        for left in ("-wal", "-shm"):
            target.with_name(target.name + left).unlink(missing_ok=True)
        _files.rename(snapshot, target)
        _files.sync_folder(target.parent)


def _copy_quarantine(source: QuarantineFiles, target: QuarantineFiles, folder: Path) -> None:
    """Copy what was refused, and on which terms contents are in the archive."""
    there, noted, _strange = source.names()
    for sha256 in sorted(there & noted):
        entry = source.entry(sha256)
        if entry is None or target.holds(sha256):
            continue
        try:
            with FileBytes(source.path_of(sha256)) as file:
                blocks = (file.read_at(at, _BLOCK) for at in range(0, file.size, _BLOCK))
                temporary = write_temporary(folder, blocks)
        except FileNotFoundError:
            continue  # it was released or discarded meanwhile
        target.take_in([Held(entry, temporary)], folder)
    terms: dict[str, Terms] = {}
    for sha256 in source.released():
        found = source.terms(sha256)
        if found is not None and target.terms(sha256) is None:
            terms[sha256] = found
    target.note_terms(terms, folder)
