"""The archive as the rest of dicomlab sees it."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import URL, ColumnElement, Select, func, select

from dicomlab.archive._arrivals import Arrivals
from dicomlab.archive._audit import Audit
from dicomlab.archive._backup import CopyReport, back_up, restore
from dicomlab.archive._check import check_archive
from dicomlab.archive._database import Database
from dicomlab.archive._deletion import DeleteReport, delete_all, delete_each
from dicomlab.archive._findings import CheckReport
from dicomlab.archive._folder_store import FolderStore
from dicomlab.archive._import import ImportProgress, Walk, import_files
from dicomlab.archive._notes import Terms
from dicomlab.archive._place import Place, find_place
from dicomlab.archive._quarantine import Quarantine
from dicomlab.archive._quarantine_files import QuarantineFiles
from dicomlab.archive._receive import Receiver
from dicomlab.archive._report import ImportReport, Outcome
from dicomlab.archive._retention import RetentionReport, Rule, configured_rules, find_expired
from dicomlab.archive._room import Room
from dicomlab.archive._schema import TABLES, content
from dicomlab.archive._select import find, join_upwards, unpack_document, unpack_header
from dicomlab.archive._store import each
from dicomlab.catalog import Arrival, InstanceData, JsonObject, Metadata, Query, Record
from dicomlab.errors import HostileInputError, IncompleteError, NotFoundError
from dicomlab.journal import Count, Journal
from dicomlab.journal import Outcome as Ending
from dicomlab.safety import (
    DEFAULT_BOUNDS,
    Bounds,
    ByteSource,
    Found,
    Header,
    Layouts,
    find_candidates,
    read_header,
)
from dicomlab.standard import Level


class Archive:
    """A durable store of instances, and an index to ask it by.

    What it acknowledges is on disk. Any thread may use it, and several processes at once.

    Attributes
    ----------
    place
        Where it is; see `Archive.open`.
    """

    def __init__(self, place: Place, journal: Callable[[], Journal] | None = None) -> None:
        self.place = place
        self._quota_bytes = place.quota_bytes
        self._audit = Audit(journal)
        self._store = place.open()
        local = self._store.staging
        self._quarantine = QuarantineFiles(
            local / "quarantine", place.quarantine, told=self._audit.quarantined
        )
        self._database = Database(place.index or local / "index.sqlite3")
        self._arrivals = Arrivals(self._database)

    @classmethod
    def open(
        cls,
        location: str | os.PathLike[str] | None = None,
        *,
        index: str | URL | None = None,
        quota_bytes: int | None = None,
        storage_options: Mapping[str, object] | None = None,
        journal: Callable[[], Journal] | None = None,
    ) -> Self:
        """Open the archive in a folder or a store; it is made where there is none.

        What is not said here stands in the table ``archive`` of the configuration
        (`dicomlab.config`), which is about the archive at its ``location`` and no other.

        Parameters
        ----------
        location
            The folder, or the URL of a store that fsspec reaches (``s3://bucket/folder``); by
            default the configured one, or ``archive`` in `dicomlab.config.home`.
        index
            URL of the database of the index: in PostgreSQL
            (``postgresql+psycopg://user@host/name``) or in another file of SQLite
            (``sqlite:////data/index.sqlite3``). By default it is a file of SQLite in the folder;
            for a URL in ``stores`` in `dicomlab.config.home`. One database serves one archive.
        quota_bytes
            Refuse what would make the stored files larger than this; imports at the same time
            count their own files only. Without it the disk is the bound.
        storage_options
            What fsspec's driver of a URL takes, such as ``endpoint_url``, ``key`` and ``secret``
            for S3. By default these come from the environment and the files of the driver.
        journal
            Opens the journal that imports, deletions, retention, checks and repairs are recorded
            in, when the first of them happens (`dicomlab.journal.open_configured`); without it
            they are not. It is closed with the archive. What is not on record is not deleted and
            not repaired: that raises a `StorageError`. An import goes on, and the log says that
            it is not on record.

        Raises
        ------
        StorageError
            The folder, the store or the index cannot be used.
        UnsupportedError
            Another version of dicomlab made the index, or it is a database, or the location a URL,
            of a kind that is not known.
        MissingDependencyError
            The driver of PostgreSQL or of the URL is not installed.
        RefusedError
            The configuration cannot be used; the message names what is wrong in it.
        ValueError
            The location is empty or a URL that holds a password, or the index is no URL.
        """
        return cls(find_place(location, index, quota_bytes, storage_options), journal)

    @property
    def quarantine(self) -> Quarantine:
        """Files that were refused: to be listed, looked at, released or discarded."""
        return Quarantine(self._quarantine, self._import, self._audit)

    def records(self, query: Query) -> Iterator[Record]:
        """Yield one record for each entity that matches, in the order asked for.

        Without `Query.order_by` that is the order of arrival.
        """
        return find(self._database, query)

    def header(self, sop_instance_uid: str) -> JsonObject:
        """Return an instance's attributes in the DICOM JSON model (PS3.18 annex F).

        Raises
        ------
        NotFoundError
            The archive holds no such instance.
        """
        image = TABLES[Level.IMAGE].entity
        with self._database.reading() as connection:
            packed = connection.scalar(
                select(content.c.header)
                .join(image, image.c.content_id == content.c.id)
                .where(image.c.SOPInstanceUID == sop_instance_uid)
            )
        if packed is None:
            raise NotFoundError(f"The archive holds no instance {sop_instance_uid}.")
        return unpack_header(packed)

    def instances(
        self, series_instance_uid: str, *, sop_instance_uid: str | None = None
    ) -> list[InstanceData]:
        """Return the instances of a series: headers now, frames when they are asked for.

        Parameters
        ----------
        series_instance_uid
            Which series.
        sop_instance_uid
            The only instance that is wanted of it.

        Raises
        ------
        NotFoundError
            The archive holds no such series, or no such instance in it.
        """
        series = TABLES[Level.SERIES].entity
        wanted = series.c.SeriesInstanceUID == series_instance_uid
        if sop_instance_uid is not None:
            wanted &= TABLES[Level.IMAGE].entity.c.SOPInstanceUID == sop_instance_uid
        files = self._files(Level.SERIES, wanted)
        if not files:
            raise NotFoundError(f"The archive holds no series {series_instance_uid}.")
        found = []
        layouts: Layouts = {}
        headers = each(self._store, self._read_header, files)
        for (uid, sha256, size), header in zip(files, headers, strict=True):
            header.share_layout(layouts)
            has_pixels = header.pixel_data is not None
            frames = self._store.frames(sha256, size, header) if has_pixels else None
            found.append(InstanceData(uid, header, frames))
        return found

    def _read_header(self, file: tuple[str, str, int]) -> Header:
        """Read the header of a content, by the bounds on which it is here."""
        _uid, sha256, size = file
        source = self._store.open(sha256, size)
        try:
            return read_header(source)
        except HostileInputError:
            terms = self._quarantine.terms(sha256)
            if terms is None:
                raise
            return read_header(source, bounds=terms.bounds)

    def retrieve(self, query: Query) -> Iterator[tuple[str, ByteSource]]:
        """Yield SOP Instance UID and bytes, as received, of each instance that matches.

        Of a patient, study or series that matches, these are all its instances.
        """
        entity = TABLES[query.level].entity
        for answer in find(self._database, query):
            for uid, sha256, size in self._files(query.level, entity.c.id == answer.row):
                yield uid, self._store.open(sha256, size)

    def metadata(self, query: Query) -> Iterator[Metadata]:
        """Yield the attributes of each instance that matches, or is below what matches.

        They stand ready in the index: no file is opened.
        """
        tables = {level: TABLES[level].entity for level in Level}
        image = tables[Level.IMAGE]
        statement = (
            select(
                tables[Level.STUDY].c.StudyInstanceUID,
                tables[Level.SERIES].c.SeriesInstanceUID,
                image.c.SOPInstanceUID,
                image.c.AvailableTransferSyntaxUID,
                content.c.header,
            )
            .select_from(join_upwards(Level.IMAGE, min(query.level.depth, Level.STUDY.depth)))
            .join(content, content.c.id == image.c.content_id)
            .order_by(image.c.id)
        )
        for answer in find(self._database, query):
            with self._database.reading() as connection:
                rows = connection.execute(
                    statement.where(tables[query.level].c.id == answer.row)
                ).all()
            for study, series, uid, syntax, packed in rows:
                yield Metadata(study, series, uid, syntax, unpack_document(packed))

    def import_(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        progress: Callable[[ImportProgress], None] | None = None,
        bounds: Bounds = DEFAULT_BOUNDS,
    ) -> ImportReport:
        """Bring files, folders, zips and tars into the archive, and report on each file.

        An instance is accepted when its header can be read within bounds, it has the UIDs of its
        SOP class, instance, series and study, and its pixel data is all there. Its bytes are kept
        as they are. What is there already changes nothing; another content of a SOP Instance UID
        is kept beside the first. What is refused goes to `quarantine`. Control-C ends the import
        cleanly: the report has what was done.

        Parameters
        ----------
        paths
            What to import: paths, or patterns (``scans/**/*.dcm``) where nothing has that name.
            Symbolic links within folders are not followed.
        progress
            Called after each group of files.
        bounds
            What a file may ask for.

        Raises
        ------
        IncompleteError
            The archive's disk is full or fails; its `report` has what was done.
        """
        listed = [os.fspath(path) for path in paths]

        def walk(contents: bool) -> Iterator[Found]:  # noqa: FBT001  a `Walk`
            return find_candidates(listed, bounds, contents=contents)

        return self._import(walk, Terms(bounds), progress)

    def _import(
        self,
        walk: Walk,
        terms: Terms,
        progress: Callable[[ImportProgress], None] | None = None,
    ) -> ImportReport:
        with self._audit.importing() as done:
            try:
                report = import_files(
                    self._database, self._store, self._quarantine, walk, terms, progress,
                    self._room(), self._arrivals.tell,
                )  # fmt: skip
            except IncompleteError as error:
                done.counts = _counts(error.report)
                raise
            done.counts = _counts(report)
            if not report.is_complete:
                done.ending = Ending.MINOR_FAILURE
        return report

    def _room(self) -> Room:
        used = 0 if self._quota_bytes is None else self._used_bytes()
        return Room(self._store.staging, used, self._quota_bytes)

    def delete(
        self,
        uids: Iterable[str],
        *,
        level: Level = Level.STUDY,
        dry_run: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> DeleteReport:
        """Delete studies, series or instances: from the index, then their files.

        All contents of a SOP Instance UID go, also copies set aside as damaged. No check or repair
        brings them back; importing them again does. Each UID is deleted whole or not at all; what
        cannot be removed of its files at once is named by `check` and removed by its repair.

        Parameters
        ----------
        uids
            Which, by UID.
        level
            What the UIDs are.
        dry_run
            Delete nothing; the report says what would be deleted.
        progress
            Called after each UID with the number of those done and of all.

        Raises
        ------
        NotFoundError
            The archive does not hold one of them: nothing is deleted.
        IncompleteError
            Files could not be removed; its `report` says how far it came.
        ValueError
            The level is that of patients.
        """
        if level is Level.PATIENT:
            raise ValueError("Delete studies, series or instances: a patient is deleted by studies")
        return delete_all(
            self._database, self._store, level, uids,
            audit=self._audit, dry_run=dry_run, progress=progress,
        )  # fmt: skip

    def receiver(self) -> Receiver:
        """Return what takes instances one by one, from several threads; close it afterwards.

        An instance is accepted as `import_` accepts it, and durable when its `Arrival.finish`
        returns: those that come at the same time are made so together. What is refused goes to
        `quarantine`.

        Raises
        ------
        StorageError
            The archive's folder or index cannot be used.
        """
        if isinstance(self._store, FolderStore):
            self._store.make_folders()
        return Receiver(
            self._database, self._store, self._quarantine, self._room(), self._arrivals.tell
        )

    def expired(
        self, rules: Sequence[Rule] | None = None, *, now: dt.datetime | None = None
    ) -> RetentionReport:
        """Return the studies that have expired by rules, and why; nothing is deleted.

        Nothing else ever is by itself: a full archive refuses what comes, whatever has expired.

        Parameters
        ----------
        rules
            By default those of the configuration's tables ``retention``.
        now
            The time at which it is asked, with a zone; by default the present.

        Raises
        ------
        RefusedError
            The configuration cannot be used.
        """
        found = configured_rules() if rules is None else list(rules)
        return find_expired(self._database, found, now or dt.datetime.now(dt.UTC))

    def expire(
        self,
        rules: Sequence[Rule] | None = None,
        *,
        now: dt.datetime | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> RetentionReport:
        """Delete the studies that have expired; see `expired` and `delete`.

        A study that has got another instance since it was looked at stays for the next time.

        Raises
        ------
        RefusedError
            The configuration cannot be used.
        IncompleteError
            Files could not be removed.
        """
        with self._audit.retention() as done:
            report = self.expired(rules, now=now)
            expired = {row.study_instance_uid: row.newest for row in report.rows}
            report.deletion = delete_each(
                self._database, self._store, Level.STUDY, expired, self._audit, progress
            )
            done.counts = {Count.STUDIES: len(report.deletion.rows)}
        return report

    def arrivals(self, after: str | None = None) -> Iterator[Arrival]:
        """Yield what came after a cursor and is still there, in the order in which it came.

        Any new content of an instance is an arrival. It ends with what is there when it is called:
        who wants more asks again, with the cursor of the last one. A cursor outlives processes,
        deletions and rebuilds; where the index was lost and made anew, everything comes again.

        Parameters
        ----------
        after
            The cursor of an arrival, or what `cursor` returned; without it all that is there.

        Raises
        ------
        ValueError
            The cursor is none of an archive's.
        """
        return self._arrivals.after(after)

    def cursor(self) -> str:
        """Return the cursor behind all that has come."""
        return self._arrivals.cursor()

    def wait_for_arrivals(
        self, after: str | None = None, *, timeout_s: float | None = None
    ) -> bool:
        """Wait until something came after a cursor; return whether it did in time.

        It wakes at once for what comes through this object; what other processes bring is seen
        when it is called and when the time is over.
        """
        return self._arrivals.wait(after, timeout_s)

    def study_sizes(self) -> dict[str, int]:
        """Return how many bytes the files of each study take, by Study Instance UID.

        All contents of a SOP Instance UID count, not only the one that queries see.
        """
        study, image = TABLES[Level.STUDY].entity, TABLES[Level.IMAGE].entity
        statement = (
            select(study.c.StudyInstanceUID, func.sum(content.c.size))
            .select_from(join_upwards(Level.IMAGE, Level.STUDY.depth))
            .join(content, content.c.sop_instance_uid == image.c.SOPInstanceUID)
            .group_by(study.c.id, study.c.StudyInstanceUID)
            .order_by(study.c.id)
        )
        with self._database.reading() as connection:
            return {uid: int(size) for uid, size in connection.execute(statement)}

    def check(
        self,
        *,
        repair: bool = False,
        rebuild: bool = False,
        progress: Callable[[int, int], None] | None = None,
        bounds: Bounds = DEFAULT_BOUNDS,
    ) -> CheckReport:
        """Read every stored file and compare it with its name and with the index.

        The name of a file is the SHA-256 of its bytes. Nothing is removed but what `delete` left.

        Parameters
        ----------
        repair
            Index what the index does not know, set files with wrong bytes aside in the folder
            ``damaged``, so that importing the instance again brings it back, and remove files of
            deleted instances that a crash left.
        rebuild
            Repair, and make the index anew from the files, in one transaction, in the order in
            which they came. Of an instance whose file is lost it keeps what it had.
        progress
            Called with the number of files read and of all, once in a while.
        bounds
            What a file may ask for that is to be indexed.

        Raises
        ------
        StorageError
            The disk or the index fails.
        """
        with self._audit.checking(repair=repair, rebuild=rebuild) as done:
            report = check_archive(
                self._database,
                self._store,
                self._quarantine,
                bounds,
                repair=repair,
                rebuild=rebuild,
                progress=progress,
            )
            left = sum(not row.is_repaired for row in report.rows)
            done.counts = {Count.FILES: report.files, Count.BYTES: report.bytes, Count.FAILED: left}
            if left:
                done.ending = Ending.MINOR_FAILURE
        self._arrivals.tell()
        return report

    def backup(
        self, folder: str | os.PathLike[str], *, progress: Callable[[int, int], None] | None = None
    ) -> CopyReport:
        """Copy the archive into a folder, while it is in use; what is there already stays.

        The copy is an archive itself: a snapshot of the index, and all files that it knows, each
        compared with its SHA-256; refused files too. An index in PostgreSQL is not copied:
        `restore` makes it from the files. Control-C ends it cleanly, and the next call goes on.

        Parameters
        ----------
        folder
            Where to; by the next call to the same folder only new files are copied.
        progress
            Called after each group of files with the number of those done and of all.

        Raises
        ------
        IncompleteError
            A disk or the store fails; its `report` says how far it came.
        ValueError
            The folder is the archive's own.
        """
        target = Path(folder).expanduser().absolute()
        return back_up(self._database, self._store, self._quarantine, target, progress)

    def restore(
        self, folder: str | os.PathLike[str], *, progress: Callable[[int, int], None] | None = None
    ) -> CopyReport:
        """Fill this archive, which must be empty, from a backup.

        Files are compared with their SHA-256 on the way. The index is that of the backup; in
        PostgreSQL, or where the backup has none, it is made from the files in their order. What
        was stopped goes on with the next call.

        Parameters
        ----------
        folder
            What `backup` wrote.
        progress
            Called after each group of files with the number of those done and of all.

        Raises
        ------
        RefusedError
            The archive is not empty.
        StorageError
            The folder holds no backup.
        IncompleteError
            A disk or the store fails; its `report` says how far it came.
        """
        source = Path(folder).expanduser().absolute()
        return restore(self._database, self._store, self._quarantine, source, progress)

    def close(self) -> None:
        """Close the index, and the journal if it was opened."""
        self._audit.close()
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

    def _used_bytes(self) -> int:
        with self._database.reading() as connection:
            return int(connection.scalar(select(func.sum(content.c.size))) or 0)

    def _files(self, level: Level, where: ColumnElement[bool]) -> list[tuple[str, str, int]]:
        """Return SOP Instance UID, hash and size of the instances below rows of a level."""
        image = TABLES[Level.IMAGE].entity
        statement: Select[str, str, int] = (
            select(image.c.SOPInstanceUID, content.c.sha256, content.c.size)
            .select_from(join_upwards(Level.IMAGE, level.depth))
            .join(content, content.c.id == image.c.content_id)
            .where(where)
            .order_by(image.c.id)
        )
        with self._database.reading() as connection:
            return [(uid, sha256, size) for uid, sha256, size in connection.execute(statement)]


def _counts(report: object) -> dict[Count, int]:
    """Return what the journal is told of an import."""
    assert isinstance(report, ImportReport)
    counts = report.counts
    return {
        Count.FILES: len(report.rows),
        Count.BYTES: report.bytes,
        Count.NEW: counts[Outcome.NEW],
        Count.ALREADY_THERE: counts[Outcome.ALREADY_THERE],
        Count.CONFLICTING: counts[Outcome.OTHER_CONTENT],
        Count.REFUSED: counts[Outcome.REFUSED],
    }
