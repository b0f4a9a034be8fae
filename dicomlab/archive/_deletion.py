"""Taking studies, series and instances out of the archive.

The index goes first, with a tombstone for each content, in one transaction; then the files. What a
crash leaves between the two are files with tombstones, which are never indexed again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from sqlalchemy import Connection, delete, select

from dicomlab.archive._audit import Audit
from dicomlab.archive._database import Database
from dicomlab.archive._renewal import Touched, renew
from dicomlab.archive._schema import TABLES, content
from dicomlab.archive._select import join_upwards
from dicomlab.archive._store import Store
from dicomlab.archive._tombstones import bury, groups, note_last_ids, remove_files
from dicomlab.errors import IncompleteError, NotFoundError, StorageError
from dicomlab.journal import Count
from dicomlab.standard import UNIQUE_KEY, Level

_AT_ONCE = 5_000
_NAMED = 5


@dataclass(frozen=True, slots=True)
class DeletedRow:
    """One study, series or instance that was deleted, or would be.

    Attributes
    ----------
    uid
        Its UID, as it was asked for.
    study_instance_uid
        The study that it belongs to.
    series, instances
        How many of them go with it.
    files, bytes
        What is stored of them: all contents of each SOP Instance UID.
    """

    uid: str
    study_instance_uid: str
    series: int
    instances: int
    files: int
    bytes: int


@dataclass
class DeleteReport:
    """What was deleted, one after the other; or what would be.

    Attributes
    ----------
    level
        What the UIDs are: studies, series or instances.
    rows
        Those that are gone from the index, in the order in which they were asked for.
    is_dry_run
        Nothing was deleted.
    left
        Files that could not be removed. They are never indexed again, and ``archive check
        --repair`` removes them.
    interrupted
        It was stopped before its end; what `rows` names is deleted all the same.
    seconds
        How long it took.
    """

    level: Level
    rows: list[DeletedRow] = field(default_factory=list)
    is_dry_run: bool = False
    left: int = 0
    interrupted: bool = False
    seconds: float = 0.0

    @property
    def instances(self) -> int:
        """How many instances that is."""
        return sum(row.instances for row in self.rows)

    @property
    def files(self) -> int:
        """How many files that is."""
        return sum(row.files for row in self.rows)

    @property
    def bytes(self) -> int:
        """How many bytes the files have."""
        return sum(row.bytes for row in self.rows)

    @property
    def is_complete(self) -> bool:
        """Whether it came to its end and no file is left."""
        return not self.interrupted and not self.left

    def to_dict(self) -> dict[str, object]:
        """Return the report for machines."""
        return {
            "dry_run": self.is_dry_run,
            "level": self.level.lower(),
            "interrupted": self.interrupted,
            "left": self.left,
            "seconds": round(self.seconds, 3),
            "instances": self.instances,
            "files": self.files,
            "bytes": self.bytes,
            "rows": [
                {
                    "uid": row.uid,
                    "study_instance_uid": row.study_instance_uid,
                    "series": row.series,
                    "instances": row.instances,
                    "files": row.files,
                    "bytes": row.bytes,
                }
                for row in self.rows
            ],
        }

    def __str__(self) -> str:
        what = {Level.STUDY: "studies", Level.IMAGE: "instances"}.get(self.level, "series")
        verb = "Would delete" if self.is_dry_run else "Deleted"
        held = f"{self.instances:,} instances, {self.files:,} files, {self.bytes:,} bytes"
        lines = [f"{verb} {len(self.rows):,} {what}: {held}."]
        lines += [
            f"  {row.uid}  {row.series:,} series, {row.instances:,} instances, {row.bytes:,} bytes"
            for row in self.rows
        ]
        if self.left:
            lines.append(
                f"{self.left:,} files could not be removed yet: dicomlab archive check --repair."
            )
        if self.interrupted:
            lines.append("Interrupted before the end.")
        return "\n".join(lines)


def delete_all(
    database: Database,
    store: Store,
    level: Level,
    uids: Iterable[str],
    *,
    audit: Audit,
    dry_run: bool,
    progress: Callable[[int, int], None] | None,
) -> DeleteReport:
    """Delete what the UIDs name; see `dicomlab.archive.Archive.delete`."""
    asked = list(dict.fromkeys(uids))
    with database.reading() as connection:
        found = [Taken.of(connection, level, uid) for uid in asked]
    _check_all_found(found)
    if dry_run:
        return DeleteReport(level, [one.row for one in found], is_dry_run=True)
    return delete_each(database, store, level, dict.fromkeys(asked), audit, progress)


def delete_each(
    database: Database,
    store: Store,
    level: Level,
    asked: Mapping[str, int | None],
    audit: Audit,
    progress: Callable[[int, int], None] | None,
) -> DeleteReport:
    """Delete what is still there of the UIDs asked for.

    Where a UID stands with a number, that of the last content that came, nothing is deleted if
    another came since. All that is recorded of one call carries one id.
    """
    started = time.monotonic()
    report = DeleteReport(level)
    call = uuid4()
    try:
        for place, (uid, newest) in enumerate(asked.items()):
            with audit.deletion(level, uid, part_of=call) as done:
                try:
                    _delete(database, store, level, uid, newest, report)
                finally:
                    done.counts = _counts(uid, report)
            if progress is not None:
                progress(place + 1, len(asked))
    except KeyboardInterrupt:
        report.interrupted = True
    finally:
        report.seconds = time.monotonic() - started
    return report


def _counts(uid: str, report: DeleteReport) -> dict[Count, int]:
    """Return what the journal is told of a UID: nothing where nothing was deleted."""
    if not report.rows or report.rows[-1].uid != uid:
        return {}
    row = report.rows[-1]
    counts = {Count.SERIES: row.series, Count.INSTANCES: row.instances, Count.FILES: row.files,
              Count.BYTES: row.bytes}  # fmt: skip
    return counts | ({Count.FAILED: report.left} if report.left else {})


def _delete(
    database: Database,
    store: Store,
    level: Level,
    uid: str,
    newest: int | None,
    report: DeleteReport,
) -> None:
    with database.writing() as connection:
        taken = Taken.of(connection, level, uid)
        if not taken.row.instances:  # somebody else was quicker
            return
        if newest is not None and max(number for number, _, _ in taken.contents) > newest:
            return
        take_out(connection, taken)
    report.rows.append(taken.row)
    report.left += len(taken.contents)
    try:
        for gone in remove_files(database, store, [sha256 for _, sha256, _ in taken.contents]):
            report.left -= len(gone)
    except StorageError as error:
        raise IncompleteError(
            f"Files of deleted instances are left. {error} They are in no query any more; then "
            "remove them: dicomlab archive check --repair.",
            report=report,
        ) from error


@dataclass(frozen=True)
class Taken:
    """What goes with one UID.

    Attributes
    ----------
    contents
        Id, SHA-256 and size of each.
    """

    row: DeletedRow
    images: list[int]
    contents: list[tuple[int, str, int]]
    touched: Touched

    @classmethod
    def of(cls, connection: Connection, level: Level, uid: str) -> Taken:
        study, series, image = (TABLES[one].entity for one in list(Level)[1:])
        rows = connection.execute(
            select(
                image.c.id, image.c.SOPInstanceUID, image.c.series_id, series.c.study_id,
                study.c.patient_id, study.c.StudyInstanceUID,
            )
            .select_from(join_upwards(Level.IMAGE, Level.STUDY.depth))
            .where(TABLES[level].entity.c[UNIQUE_KEY[level]] == uid)
            .order_by(image.c.id)
        ).all()  # fmt: skip
        contents: list[tuple[int, str, int]] = []
        for some in groups([row.SOPInstanceUID for row in rows], _AT_ONCE):
            stored = select(content.c.id, content.c.sha256, content.c.size).where(
                content.c.sop_instance_uid.in_(some)
            )
            contents += [(number, sha, size) for number, sha, size in connection.execute(stored)]
        touched = {
            Level.SERIES: {row.series_id for row in rows},
            Level.STUDY: {row.study_id for row in rows},
            Level.PATIENT: {row.patient_id for row in rows},
        }
        told = DeletedRow(
            uid=uid,
            study_instance_uid=rows[0].StudyInstanceUID if rows else "",
            series=len(touched[Level.SERIES]),
            instances=len(rows),
            files=len(contents),
            bytes=sum(size for _, _, size in contents),
        )
        return cls(told, [row.id for row in rows], contents, Touched(touched))


def take_out(connection: Connection, taken: Taken) -> None:
    """Take instances out of the index, and put tombstones in their place."""
    note_last_ids(connection)
    image = TABLES[Level.IMAGE].entity
    for some in groups(taken.images, _AT_ONCE):
        connection.execute(delete(image).where(image.c.id.in_(some)))
    for stored in groups(taken.contents, _AT_ONCE):
        numbers = [number for number, _, _ in stored]
        connection.execute(delete(content).where(content.c.id.in_(numbers)))
        bury(connection, [(sha256, size) for _, sha256, size in stored])
    renew(connection, taken.touched)


def _check_all_found(found: Sequence[Taken]) -> None:
    missing = [one.row.uid for one in found if not one.row.instances]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise NotFoundError(
            f"The archive does not hold {', '.join(missing[:_NAMED])}{more}. Nothing was deleted."
        )
