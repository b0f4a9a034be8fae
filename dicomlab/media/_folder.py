"""A folder, a file or a zip as a source: asked like an archive, nothing imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from dicomlab.catalog import (
    FileFrames,
    Frames,
    InstanceData,
    MemberFrames,
    PartFrames,
    Query,
    Record,
    Value,
    patient_key,
    summarise,
    value_of,
)
from dicomlab.errors import NotFoundError, StorageError
from dicomlab.media._report import ScanReport
from dicomlab.media._scan import Entry, PlacedBytes, Progress, open_place, scan
from dicomlab.safety import (
    DEFAULT_BOUNDS,
    Bounds,
    ByteSource,
    FilePart,
    Header,
    Layouts,
    ZipMember,
    read_header,
)
from dicomlab.standard import LEVEL_KEYS, UNIQUE_KEY, Level

_KNOWN = frozenset(key for level in Level for key in LEVEL_KEYS[level])


def open_folder(
    path: str | os.PathLike[str],
    *,
    bounds: Bounds = DEFAULT_BOUNDS,
    progress: Progress | None = None,
) -> FolderSource:
    """Open what DICOM lies in a folder, a file, a zip or a tar; nothing is imported or written.

    Parameters
    ----------
    path
        A folder with all below it, zips and tars too, one file, one zip, or one tar. What is in a
        compressed tar stands in the report only: it can be imported, but not read in place.
    bounds
        What each file, and a zip, may ask for.
    progress
        Called with the number of files looked at and their number in all.

    Raises
    ------
    NotFoundError
        There is nothing at this path.
    StorageError
        A folder above it may not be looked into.
    """
    found = Path(path).expanduser()
    try:
        is_there = found.exists()
    except PermissionError as error:
        raise StorageError(
            "The path given may not be looked at: permission is denied for a folder above it. Ask "
            "its owner, or give another path."
        ) from error
    if not is_there:
        raise NotFoundError(
            "There is no file or folder at the path given. Check its spelling, and that the disk "
            "or share that it lies on is there."
        )
    return FolderSource(found, bounds=bounds, progress=progress)


class FolderSource:
    """The instances under a path, read in place.

    Every file is looked at once, when the source is first asked; a later change of the files is
    seen by a new source.

    Parameters
    ----------
    path
        A folder, a file or a zip.
    bounds, progress
        As for `open_folder`.
    """

    def __init__(
        self,
        path: Path,
        *,
        bounds: Bounds = DEFAULT_BOUNDS,
        progress: Progress | None = None,
    ) -> None:
        self.path = path
        self._bounds = bounds
        self._progress = progress
        self._lock = Lock()
        self._contents: _Contents | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {os.fspath(self.path)!r}>"

    @property
    def report(self) -> ScanReport:
        """What was found and what was left out, with the reason for each file."""
        return self._scanned().report

    def records(self, query: Query) -> Iterator[Record]:
        """Yield one record for each entity that matches, in the order asked for.

        Without `Query.order_by` that is by patient, date and number.
        """
        contents = self._scanned()
        for record in query.arrange(self._matching(contents, query)):
            yield {keyword: record.get(keyword) for keyword in query.keywords}

    def instances(
        self, series_instance_uid: str, *, sop_instance_uid: str | None = None
    ) -> list[InstanceData]:
        """Return the instances of a series by number: headers now, frames when asked for.

        Parameters
        ----------
        series_instance_uid
            Which series.
        sop_instance_uid
            The only instance that is wanted of it.

        Raises
        ------
        NotFoundError
            No such series lies here, or no such instance in it.
        StorageError
            A file cannot be read any more.
        """
        contents = self._scanned()
        uids = contents.series.get(series_instance_uid)
        if uids is None:
            raise NotFoundError(f"The folder holds no series {series_instance_uid}.")
        if sop_instance_uid is not None:
            uids = [uid for uid in uids if uid == sop_instance_uid]
            if not uids:
                raise NotFoundError(f"The series holds no instance {sop_instance_uid}.")
        layouts: Layouts = {}
        return [self._instance(contents.entries[uid], layouts) for uid in uids]

    def retrieve(self, query: Query) -> Iterator[tuple[str, ByteSource]]:
        """Yield SOP Instance UID and bytes, as they lie, of each instance that matches.

        Of a patient, study or series that matches, these are all its instances.
        """
        contents = self._scanned()
        chosen = query.arrange(self._matching(contents, query))
        wanted = {_identity(row, query.level) for row in chosen}
        for row in contents.records[Level.IMAGE]:
            if _identity(row, query.level) in wanted:
                uid = str(row["SOPInstanceUID"])
                yield uid, PlacedBytes(contents.entries[uid].place)

    def _scanned(self) -> _Contents:
        with self._lock:
            if self._contents is None:
                self._contents = _Contents(*scan(self.path, self._bounds, self._progress))
        return self._contents

    def _matching(self, contents: _Contents, query: Query) -> Iterator[Record]:
        further = [keyword for keyword in query.keywords if keyword not in _KNOWN]
        for record in contents.records[query.level]:
            full = self._with_more(contents, record, further) if further else record
            if query.matches(full):
                yield full

    def _with_more(self, contents: _Contents, record: Record, keywords: list[str]) -> Record:
        """Return an instance's record with attributes that only its header has."""
        header = self._header(contents.entries[str(record["SOPInstanceUID"])])
        more: dict[str, Value] = {keyword: value_of(header, keyword) for keyword in keywords}
        return {**record, **more}

    def _header(self, entry: Entry) -> Header:
        with open_place(entry.place) as source:
            return read_header(source, bounds=self._bounds)

    def _instance(self, entry: Entry, layouts: Layouts) -> InstanceData:
        header = self._header(entry)
        header.share_layout(layouts)
        return InstanceData(entry.sop_instance_uid, header, _frames(entry, header))


class _Contents:
    """What a scan found, by instance and by level."""

    def __init__(self, entries: list[Entry], report: ScanReport) -> None:
        self.report = report
        self.entries = {entry.sop_instance_uid: entry for entry in entries}
        self.records = summarise(entry.record for entry in entries)
        self.series: dict[str, list[str]] = {}
        for row in self.records[Level.IMAGE]:
            uids = self.series.setdefault(str(row["SeriesInstanceUID"]), [])
            uids.append(str(row["SOPInstanceUID"]))


def _frames(entry: Entry, header: Header) -> Frames | None:
    if header.pixel_data is None:
        return None
    if isinstance(entry.place, ZipMember):
        return MemberFrames(entry.place, header)
    if isinstance(entry.place, FilePart):
        return PartFrames(entry.place, header)
    return FileFrames(entry.place, header)


def _identity(record: Record, level: Level) -> tuple[str, ...]:
    """Return what tells one entity of a level from another."""
    if level is Level.PATIENT:
        return patient_key(record)
    levels = [one for one in Level if 0 < one.depth <= level.depth]
    return tuple(str(record[UNIQUE_KEY[one]]) for one in levels)
