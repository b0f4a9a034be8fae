"""Instances out of a source into a folder of files, in another transfer syntax where asked for."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from dicomlab.catalog import Query
from dicomlab.errors import DicomlabError, NonConformantError, RefusedError
from dicomlab.pixels import EXPLICIT_VR_LITTLE_ENDIAN, Loss, derived_uid, transcode
from dicomlab.safety import ByteSource, FileBytes, Header, Outgoing, read_header
from dicomlab.standard import transfer_syntax

_UID: Final = re.compile(r"[0-9.]{1,64}")
_BLOCK: Final = 1 << 20
_SHOWN: Final = 10
_PARTIAL: Final = ".partial"

Progress = Callable[[int, int | None], None]


class Retrieves(Protocol):
    """What an export needs of a source."""

    def retrieve(self, query: Query) -> Iterator[tuple[str, ByteSource]]:
        """Yield SOP Instance UID and bytes of each instance that matches."""


class Exported(StrEnum):
    """What became of an instance."""

    WRITTEN = "written"
    ALREADY_THERE = "already there"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ExportRow:
    """What became of one instance.

    Attributes
    ----------
    sop_instance_uid
        In the source; with loss the file holds a derived instance under a UID of its own.
    path
        Of the file, from the folder; empty for what was refused.
    size
        Bytes of the file.
    reason, message
        Why it was refused, as a code and as a sentence.
    """

    sop_instance_uid: str
    outcome: Exported
    path: str = ""
    size: int = 0
    reason: str = ""
    message: str = ""


@dataclass(slots=True)
class ExportReport:
    """What an export did, instance by instance."""

    rows: list[ExportRow] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether every instance that was asked for is in the folder."""
        return not any(row.outcome is Exported.REFUSED for row in self.rows)

    @property
    def counts(self) -> dict[Exported, int]:
        """How many instances had each outcome."""
        counted = Counter(row.outcome for row in self.rows)
        return {outcome: counted[outcome] for outcome in Exported}

    def to_dict(self) -> dict[str, object]:
        """Return the report for machines."""
        return {
            "instances": len(self.rows),
            "bytes": sum(row.size for row in self.rows),
            "counts": {outcome.name.lower(): count for outcome, count in self.counts.items()},
            "rows": [
                {
                    "sop_instance_uid": row.sop_instance_uid,
                    "outcome": row.outcome.name.lower(),
                    "path": row.path,
                    "size": row.size,
                    "reason": row.reason,
                    "message": row.message,
                }
                for row in self.rows
            ],
        }

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {outcome}" for outcome, count in self.counts.items())
        lines = [f"{len(self.rows):,} instances: {counts}."]
        refused = [row for row in self.rows if row.outcome is Exported.REFUSED]
        lines += [f"  {row.sop_instance_uid}: {row.message}" for row in refused[:_SHOWN]]
        if len(refused) > _SHOWN:
            lines.append(f"  and {len(refused) - _SHOWN} more")
        return "\n".join(lines)


def export(
    source: Retrieves,
    query: Query,
    folder: str | os.PathLike[str],
    *,
    transfer_syntax_uid: str | None = None,
    loss: Loss | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Write what matches a query into a folder: ``study/series/instance.dcm``, by UIDs.

    A file is there when it is whole: an export that was stopped goes on where it stopped when it is
    asked for again. An instance that cannot be written as asked for is refused, with the reason,
    and the others are written.

    Parameters
    ----------
    source
        Where the instances come from.
    transfer_syntax_uid
        In which they shall be, without loss unless `loss` is given; as they are by default.
        Instances without pixel data take no compressed one: they become Explicit VR Little Endian.
    loss
        How much may be lost; see `dicomlab.pixels.transcode`.
    workers
        Threads; by default one for each processor.
    progress
        Called with how many instances are done.
    """
    task = _Export(Path(folder), transfer_syntax_uid, loss, workers or os.cpu_count() or 1)
    report = ExportReport()

    def finish(row: ExportRow) -> None:
        report.rows.append(row)
        if progress is not None:
            progress(len(report.rows), None)

    with ThreadPoolExecutor(task.workers, thread_name_prefix="dicomlab-export") as pool:
        waiting: deque[Future[ExportRow]] = deque()
        try:
            for uid, data in source.retrieve(query):
                waiting.append(pool.submit(task.row, uid, data))
                if len(waiting) > 2 * task.workers:
                    finish(waiting.popleft().result())
            while waiting:
                finish(waiting.popleft().result())
        finally:
            for future in waiting:
                future.cancel()
    return report


@dataclass(frozen=True, slots=True)
class _Export:
    """What is done with each instance."""

    folder: Path
    transfer_syntax_uid: str | None
    loss: Loss | None
    workers: int

    def row(self, uid: str, data: ByteSource) -> ExportRow:
        try:
            return self._written(uid, Outgoing(data))
        except DicomlabError as error:
            message = " ".join((str(error), *getattr(error, "__notes__", ())))
            return ExportRow(uid, Exported.REFUSED, reason=_reason(error), message=message)

    def _written(self, uid: str, data: ByteSource) -> ExportRow:
        header = read_header(data)
        wanted = self._syntax(header)
        new_uid = uid
        if self.loss is not None and wanted is not None and header.pixel_data is not None:
            new_uid = derived_uid(uid, wanted, self.loss)
        path = self.folder.joinpath(
            _name(header.string("StudyInstanceUID")),
            _name(header.string("SeriesInstanceUID")),
            _name(new_uid) + ".dcm",
        )
        name = path.relative_to(self.folder).as_posix()
        if _is_there(path, new_uid, wanted, data.size):
            return ExportRow(uid, Exported.ALREADY_THERE, name, path.stat().st_size)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + _PARTIAL)
        try:
            with partial.open("w+b") as target:
                if wanted is None:
                    blocks = range(0, data.size, _BLOCK)
                    target.writelines(data.read_at(offset, _BLOCK) for offset in blocks)
                else:
                    loss = self.loss if header.pixel_data is not None else None
                    frames = header.integer("NumberOfFrames") or 1
                    workers = self.workers if frames > 1 else 1
                    transcode(data, target, wanted, loss=loss, workers=workers)
                size = target.tell()
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return ExportRow(uid, Exported.WRITTEN, name, size)

    def _syntax(self, header: Header) -> str | None:
        """Return the transfer syntax that an instance shall have, ``None`` to copy it."""
        wanted = self.transfer_syntax_uid
        if wanted is None:
            return None
        if header.pixel_data is None and transfer_syntax(wanted).is_encapsulated:
            wanted = EXPLICIT_VR_LITTLE_ENDIAN
        if wanted == header.transfer_syntax_uid and (self.loss is None or not header.pixel_data):
            return None
        return wanted


def _is_there(path: Path, uid: str, transfer_syntax_uid: str | None, size: int) -> bool:
    """Return whether an earlier export wrote the file."""
    try:
        with FileBytes(path) as file:
            header = read_header(file)
            is_whole = transfer_syntax_uid is not None or file.size == size
    except (OSError, DicomlabError):
        return False
    wanted = transfer_syntax_uid or header.transfer_syntax_uid
    is_same = header.string("SOPInstanceUID") == uid and header.transfer_syntax_uid == wanted
    return is_whole and is_same


def _name(uid: str | None) -> str:
    """Return a name for a file: the UID, or a digest of what is none."""
    text = uid or ""
    if _UID.fullmatch(text) and text.strip("."):
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _reason(error: DicomlabError) -> str:
    if isinstance(error, NonConformantError):
        return error.reason
    return error.rule if isinstance(error, RefusedError) else "unsupported"
