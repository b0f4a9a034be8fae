"""One look at every file: which are instances, and which of them counts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from dicomlab.catalog import Record, instance_record
from dicomlab.errors import HostileInputError, NonConformantError, StorageError
from dicomlab.media._report import ScanReport
from dicomlab.safety import (
    Bounds,
    Candidate,
    Drain,
    FileBytes,
    FileCandidate,
    FilePart,
    MemberBytes,
    Refusal,
    TarCandidate,
    UnreadableError,
    ZipMember,
    check_instance,
    find_candidates,
    read_header,
)

Progress: TypeAlias = Callable[[int, int], None]
Place: TypeAlias = Path | ZipMember | FilePart
"""Where an instance lies: a file, or a member of a zip or a tar."""

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """An instance where it lies.

    Attributes
    ----------
    record
        What it says about itself; attributes without value are left out.
    """

    path: str
    place: Place
    record: Record

    @property
    def sop_instance_uid(self) -> str:
        """Its own UID."""
        return str(self.record["SOPInstanceUID"])


def open_place(place: Place) -> FileBytes | MemberBytes:
    """Open the bytes of an instance; use them in a ``with`` statement.

    Raises
    ------
    StorageError
        They cannot be read any more.
    """
    if isinstance(place, ZipMember):
        return place.open()
    try:
        return place.open() if isinstance(place, FilePart) else FileBytes(place)
    except OSError as error:
        raise StorageError(
            f"A file of the folder cannot be read: {error.strerror}. "
            "Check that it is still there and that you may read it."
        ) from error


def scan(path: Path, bounds: Bounds, progress: Progress | None) -> tuple[list[Entry], ScanReport]:
    """Return the instances under a path, each SOP Instance UID once, and what was left out.

    Of several files with one UID the first by name counts, so that the same tree gives the same
    answer.
    """
    candidates = find_candidates([path], bounds, contents=False)
    listed = [_placed(found) for found in candidates if not isinstance(found, Drain)]
    kept: dict[str, Entry] = {}
    refused = []
    for number, (name, place) in enumerate(listed, 1):
        found = _look(name, place, bounds)
        if isinstance(found, Entry):
            first = kept.setdefault(found.sop_instance_uid, found)
            if first is not found:
                refused.append(_duplicate(found, first))
        else:
            refused.append(found)
        if progress is not None:
            progress(number, len(listed))
    return list(kept.values()), ScanReport(len(kept), tuple(refused))


def _placed(found: Candidate | Refusal) -> tuple[str, Place | Refusal]:
    """Return where a candidate lies, without holding on to its zip."""
    if isinstance(found, Refusal):
        return found.path, found
    if isinstance(found, FileCandidate):
        return found.path, Path(found.path)
    try:
        if isinstance(found, TarCandidate):
            return found.path, found.part()
        return found.path, ZipMember.of(found)
    except UnreadableError as error:
        return found.path, Refusal(found.path, error.reason, str(error))


def _look(name: str, place: Place | Refusal, bounds: Bounds) -> Entry | Refusal:
    if isinstance(place, Refusal):
        return place
    try:
        with open_place(place) as source:
            header = read_header(source, bounds=bounds)
            check_instance(header, source)
            record = instance_record(header)
    except NonConformantError as error:
        return Refusal(name, error.reason, str(error))
    except HostileInputError as error:
        return Refusal(name, error.rule, str(error))
    except UnreadableError as error:
        return Refusal(name, error.reason, str(error))
    except StorageError as error:
        return Refusal(name, "unreadable", str(error))
    return Entry(name, place, {key: value for key, value in record.items() if value is not None})


def _duplicate(entry: Entry, first: Entry) -> Refusal:
    try:
        alike = _content(entry.place) == _content(first.place)
    except StorageError as error:
        return Refusal(entry.path, "unreadable", str(error))
    if alike:
        return Refusal(
            entry.path,
            "duplicate",
            "The same instance is here already, with the same content; the first by name counts. "
            "Nothing is lost.",
        )
    return Refusal(
        entry.path,
        "same-uid-other-content",
        "Another file has this SOP Instance UID and other content; the first by name counts. "
        "One of the two was changed without a new UID (PS3.5 9): ask their source which is right.",
    )


def _content(place: Place) -> bytes:
    digest = hashlib.sha256()
    with open_place(place) as source:
        for offset in range(0, source.size, _BLOCK):
            digest.update(source.read_at(offset, _BLOCK))
    return digest.digest()


class PlacedBytes:
    """The bytes of an instance; its file is open only while it is read."""

    def __init__(self, place: Place) -> None:
        self._place = place
        with open_place(place) as source:
            self.size = source.size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end.

        Raises
        ------
        StorageError
            They cannot be read any more.
        """
        with open_place(self._place) as source:
            return source.read_at(offset, size)
