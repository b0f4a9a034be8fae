"""Does the archive hold what it says? Files against their names, the index against the files."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from sqlalchemy import Connection, delete, func, select

from dicomlab.archive._check_quarantine import check_quarantine, note_again
from dicomlab.archive._database import Database, clear_texts
from dicomlab.archive._findings import CheckReport, CheckRow, Problem
from dicomlab.archive._quarantine_files import QuarantineFiles
from dicomlab.archive._schema import TABLES, content, deleted, odd
from dicomlab.archive._select import PARENT, read_record, unpack_header
from dicomlab.archive._staging import look_again
from dicomlab.archive._store import SHARDS, Listing, Store, StoredFile, each, name_of
from dicomlab.archive._tombstones import deleted_among, groups, note_last_ids, remove_files
from dicomlab.archive._writer import Entry, add, known_contents
from dicomlab.catalog import JsonAttributes, instance_record
from dicomlab.errors import HostileInputError, NonConformantError
from dicomlab.safety import Bounds
from dicomlab.standard import UNIQUE_KEY, Level

_READERS = min(4, os.cpu_count() or 1)
_GROUP = 256
_COUNTS = (
    (Level.PATIENT, Level.STUDY, "NumberOfPatientRelatedStudies"),
    (Level.STUDY, Level.SERIES, "NumberOfStudyRelatedSeries"),
    (Level.SERIES, Level.IMAGE, "NumberOfSeriesRelatedInstances"),
)
"""A level, the one below it, and the count that the level keeps of it."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the index has of a content."""

    id: int
    sop_instance_uid: str


def check_archive(
    database: Database,
    store: Store,
    quarantine: QuarantineFiles,
    bounds: Bounds,
    *,
    repair: bool,
    rebuild: bool,
    progress: Callable[[int, int], None] | None,
) -> CheckReport:
    """Check all files and rows; see `dicomlab.archive.Archive.check`."""
    started = time.monotonic()
    checker = _Checker(database, store, quarantine, bounds, is_repairing=repair or rebuild)
    checker.read_all(progress)
    checker.settle()
    if rebuild:
        checker.rebuild()
    elif repair:
        checker.index_orphans()
    checker.count()
    checker.look_into_quarantine()
    report = checker.report
    report.is_rebuilt = rebuild
    report.rows.sort(key=lambda row: (list(Problem).index(row.problem), row.name))
    report.seconds = time.monotonic() - started
    return report


class _Checker:
    """One check: every file is read once, shard by shard."""

    def __init__(
        self,
        database: Database,
        store: Store,
        quarantine: QuarantineFiles,
        bounds: Bounds,
        *,
        is_repairing: bool,
    ) -> None:
        self.report = CheckReport()
        self._database = database
        self._store = store
        self._quarantine = quarantine
        self._bounds = bounds
        self._is_repairing = is_repairing
        self._orphans: list[StoredFile] = []
        self._deleted: list[StoredFile] = []
        self._unread: list[StoredFile] = []
        self._missing: dict[str, _Known] = {}
        self._whole: list[tuple[int, StoredFile]] = []

    def read_all(self, progress: Callable[[int, int], None] | None) -> None:
        """Hash every file, and compare the names with the index."""
        shards = set(self._store.shards())
        tell = _teller(self.report, 0 if progress is None else self._count_files(shards), progress)
        for name in self._store.strangers():
            self._note(Problem.STRANGE, name)
        with ThreadPoolExecutor(max(_READERS, self._store.at_once), "dicomlab-check") as pool:
            for shard in SHARDS:
                # Rows first: what is committed meanwhile is looked for by itself below.
                known, deleted = self._known(shard)
                listing = self._store.listing(shard) if shard in shards else Listing()
                for name in listing.strangers:
                    self._note(Problem.STRANGE, name)
                for file, sha256 in self._digested(pool, listing.files):
                    self._take(file, sha256, known, deleted)
                    tell()
                seen = {file.sha256 for file in listing.files}
                self._missing |= {one: known[one] for one in known.keys() - seen}
        if progress is not None:
            progress(self.report.files, self.report.files)

    def settle(self) -> None:
        """Look again at what others may have imported or deleted in the meantime."""
        unread = {file.sha256: file for file in self._unread}
        for sha256s in groups([*self._missing, *unread], _GROUP):
            with self._database.reading() as connection:
                known = known_contents(connection, sha256s)
            for sha256 in sha256s:
                is_there = self._store.exists(sha256)
                if is_there and sha256 in unread:
                    name, uid = unread[sha256].name, known.get(sha256)
                    self._note(Problem.UNREADABLE, name, uid, "read-error")
                elif not is_there and sha256 in known:
                    self._note(Problem.MISSING, name_of(sha256), known[sha256])
        self._orphans = self._still_unknown(self._orphans)
        if not self._is_repairing:
            for file in self._orphans:
                self._note(Problem.NOT_INDEXED, file.name)
        self._settle_deleted()

    def _settle_deleted(self) -> None:
        """Note the files of deleted instances that are still there; remove them in a repair."""
        names = {file.sha256: file.name for file in self._deleted}
        there = [sha256 for sha256 in names if self._store.exists(sha256)]
        if self._is_repairing:
            for gone in remove_files(self._database, self._store, there):
                for sha256 in gone:
                    self._note(Problem.DELETED, names[sha256], repaired=True)
            return
        for some in groups(there, _GROUP):
            with self._database.reading() as connection:
                for sha256 in sorted(deleted_among(connection, some)):
                    self._note(Problem.DELETED, names[sha256])

    def _count_files(self, shards: Iterable[str]) -> int:
        counts = each(self._store, lambda shard: len(self._store.listing(shard).files), shards)
        return sum(counts)

    def _digested(
        self, pool: ThreadPoolExecutor, files: Sequence[StoredFile]
    ) -> Iterator[tuple[StoredFile, str | None]]:
        """Yield files, each with the SHA-256 that it has in truth."""
        for some in groups(files, _GROUP):
            hashes = pool.map(lambda file: self._store.digest(file.sha256, file.size), some)
            yield from zip(some, hashes, strict=True)

    def _known(self, shard: str) -> tuple[dict[str, _Known], set[str]]:
        """Return what the index has of one shard, and what of it was deleted."""
        first, last = shard + "0" * 62, shard + "f" * 62
        held = select(content.c.sha256, content.c.id, content.c.sop_instance_uid)
        held = held.where(content.c.sha256 >= first, content.c.sha256 <= last)
        buried = select(deleted.c.sha256)
        buried = buried.where(deleted.c.sha256 >= first, deleted.c.sha256 <= last)
        with self._database.reading() as connection:
            known = {sha: _Known(number, uid) for sha, number, uid in connection.execute(held)}
            gone = set(connection.scalars(buried))
        self.report.indexed += len(known)
        return known, gone

    def _take(
        self, file: StoredFile, sha256: str | None, known: dict[str, _Known], deleted: set[str]
    ) -> None:
        """Judge one file, whose content has a hash or could not be read."""
        row = known.get(file.sha256)
        uid = None if row is None else row.sop_instance_uid
        self.report.files += 1
        self.report.bytes += file.size
        if file.sha256 in deleted:
            self._deleted.append(file)
        elif sha256 is None:
            self._unread.append(file)
        elif sha256 != file.sha256:
            if self._is_repairing:
                self._store.set_aside(file.sha256, sha256)
            # Even when it is out of the way, the instance itself is still to be brought back.
            detail = "set aside" if self._is_repairing else ""
            self._note(Problem.DAMAGED, file.name, uid, detail)
        elif row is None:
            self._orphans.append(file)
        else:
            self._whole.append((row.id, file))

    def _still_unknown(self, files: list[StoredFile]) -> list[StoredFile]:
        """Return what no import has indexed in the meantime, in order of arrival."""
        left = []
        for some in groups(self._store.in_order(files), _GROUP):
            with self._database.reading() as connection:
                known = known_contents(connection, (file.sha256 for file in some))
            left += [file for file in some if file.sha256 not in known]
        return left

    def index_orphans(self) -> None:
        """Index what is whole and unknown."""
        for some in groups(self._orphans, _GROUP):
            entries = list(self._entries(some))
            with self._database.writing() as connection:
                add(connection, self._still_there(connection, entries))

    def rebuild(self) -> None:
        """Make the index anew in one transaction, in the order in which the files came.

        Of an instance whose file is not whole, the index keeps what it had.
        """
        whole = dict(self._whole)
        # What reads beside the transaction sees the index as it was, to its end.
        with self._database.reading() as before, self._database.writing() as connection:
            numbers = list(before.scalars(select(content.c.id).order_by(content.c.id)))
            known = set(before.scalars(select(content.c.sha256)))
            note_last_ids(connection)
            clear(connection)
            for some in groups(numbers, _GROUP):
                looked = each(self._store, self._look_again, [whole.get(one) for one in some])
                pairs = zip(some, looked, strict=True)
                add(connection, [_again(before, number, entry) for number, entry in pairs])
            for files in groups([one for one in self._orphans if one.sha256 not in known], _GROUP):
                add(connection, self._still_there(connection, list(self._entries(files))))

    def _still_there(self, connection: Connection, entries: Sequence[Entry]) -> list[Entry]:
        """Return what nobody has deleted since its file was read: in the writers' turn."""
        buried = deleted_among(connection, (one.sha256 for one in entries))
        held = each(self._store, lambda one: self._store.holds(one.sha256, one.size), entries)
        return [
            one for one, is_there in zip(entries, held, strict=True)
            if is_there and one.sha256 not in buried
        ]  # fmt: skip

    def _look_again(self, file: StoredFile | None) -> Entry | None:
        found = None if file is None else self._look_at(file)
        return found if isinstance(found, Entry) else None

    def _look_at(self, file: StoredFile) -> Entry | str:
        """Return what the index shall have of a file, or why it cannot have it."""
        try:
            source = self._store.open(file.sha256, file.size)
            return look_again(source, file.sha256, self._bounds, self._quarantine)
        except (NonConformantError, HostileInputError) as error:
            return error.reason if isinstance(error, NonConformantError) else error.rule

    def _entries(self, files: Sequence[StoredFile]) -> Iterator[Entry]:
        for file, found in zip(files, each(self._store, self._look_at, files), strict=True):
            if isinstance(found, str):
                self._note(Problem.UNREADABLE, file.name, detail=found)
                continue
            self._note(Problem.NOT_INDEXED, file.name, found.sop_instance_uid, repaired=True)
            yield replace(found, received=_moment(file.received_ns))

    def count(self) -> None:
        """Compare the counts that the index keeps with its rows."""
        with self._database.reading() as connection:
            for above, below, keyword in _COUNTS:
                upper, lower = TABLES[above].entity, TABLES[below].entity
                counted = (
                    select(lower.c[PARENT[below]].label("row"), func.count().label("rows"))
                    .group_by(lower.c[PARENT[below]])
                    .subquery()
                )
                wrong = (
                    select(upper.c.id, upper.c[UNIQUE_KEY[above]])
                    .outerjoin(counted, counted.c.row == upper.c.id)
                    .where(func.coalesce(counted.c.rows, 0) != func.coalesce(upper.c[keyword], 0))
                )
                for number, uid in connection.execute(wrong):
                    # A Patient ID is patient data: the row's number says which.
                    name = number if above is Level.PATIENT else uid
                    self._note(Problem.MISCOUNTED, f"{keyword} {name}")

    def look_into_quarantine(self) -> None:
        """Read every refused file as well; whole ones without a note get one."""
        files = self._quarantine
        self.report.quarantined = len(files.names()[0])
        rows = list(check_quarantine(files))
        unnoted = [row for row in rows if row.problem is Problem.QUARANTINE_UNNOTED]
        if unnoted and self._is_repairing:
            with self._store.incoming() as folder:
                for row in unnoted:
                    note_again(files, row.name.rpartition("/")[2].removesuffix(".bin"), folder)
            rows = [replace(one, is_repaired=True) if one in unnoted else one for one in rows]
        self.report.rows += rows

    def _note(
        self,
        problem: Problem,
        name: str,
        uid: str | None = None,
        detail: str = "",
        *,
        repaired: bool = False,
    ) -> None:
        self.report.rows.append(CheckRow(problem, name, uid, detail, repaired))


def _teller(
    report: CheckReport, total: int, progress: Callable[[int, int], None] | None
) -> Callable[[], None]:
    """Return what tells the caller, once in a while, how far the check is."""

    def tell() -> None:
        if progress is not None and report.files % 64 == 0:
            progress(report.files, max(total, report.files))

    return tell


def _moment(time_ns: int) -> str:
    return dt.datetime.fromtimestamp(time_ns // 10**9, dt.UTC).isoformat(timespec="seconds")


def _again(before: Connection, number: int, found: Entry | None) -> Entry:
    """Return what the index shall have of a content: what its file says, if that is whole."""
    kept = _from_index(before, number)
    return kept if found is None else replace(found, received=kept.received, number=number)


def _from_index(connection: Connection, number: int) -> Entry:
    """Return what the index itself has of an instance."""
    image = TABLES[Level.IMAGE].entity
    row = connection.execute(
        select(content, image.c.record)
        .outerjoin(image, image.c.content_id == content.c.id)
        .where(content.c.id == number)
    ).one()
    record = instance_record(JsonAttributes(unpack_header(row.header)))
    if row.record is not None:
        record |= read_record(row.record)  # it knows the transfer syntax, DICOM JSON does not
    return Entry(row.sha256, row.size, record, row.header, row.received, number=number)


def clear(connection: Connection) -> None:
    """Take everything out of the index."""
    for level in reversed(Level):
        connection.execute(delete(TABLES[level].values))
        connection.execute(delete(TABLES[level].entity))
        clear_texts(connection, level)
    connection.execute(delete(content))
    connection.execute(delete(odd))
