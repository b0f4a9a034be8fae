"""One file on its way in: read, hashed, looked at and written beside the store, in one pass."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dicomlab.archive._incoming import write_temporary
from dicomlab.archive._inlet import BLOCK, Inlet, Refused, copy
from dicomlab.archive._notes import Fault, Terms
from dicomlab.archive._quarantine_files import QuarantineFiles
from dicomlab.archive._select import pack_header
from dicomlab.archive._writer import Entry
from dicomlab.catalog import dicom_json_text, instance_record
from dicomlab.errors import HostileInputError, NonConformantError, RefusedError
from dicomlab.safety import (
    DEFAULT_BOUNDS,
    Bounds,
    ByteSource,
    Candidate,
    FileBytes,
    MemoryBytes,
    Readable,
    UnreadableError,
    check_instance,
    read_header,
    read_up_to,
)


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that may go in.

    Attributes
    ----------
    temporary
        Where its bytes are until they have their final name.
    terms
        On which it is taken, ``None`` for the usual ones.
    """

    candidate: Candidate
    entry: Entry
    temporary: Path
    terms: Terms | None = None

    @property
    def path(self) -> str:
        """As the user knows the file."""
        return self.candidate.path


@dataclass(frozen=True, slots=True)
class Present:
    """A file whose bytes are in the store already; whether they are indexed is not known yet."""

    candidate: Candidate
    sha256: str

    @property
    def path(self) -> str:
        """As the user knows the file."""
        return self.candidate.path


def stage(candidate: Candidate, inlet: Inlet, *, again: bool = False) -> Staged | Present | Refused:
    """Read a file once and say what it is; nothing is durable yet.

    Parameters
    ----------
    inlet
        Where it goes, and by which bounds.
    again
        The store's own file of this content is not to be relied on: write it once more.
    """
    path, size = candidate.path, candidate.size
    try:
        stream = candidate.open()
    except UnreadableError as error:
        return inlet.refuse(path, size, Fault.of(error))
    try:
        block = read_up_to(stream, BLOCK)
        if len(block) < BLOCK:
            return _stage_short(candidate, block, inlet, again=again)
        return _stage_long(candidate, block, stream, inlet, again=again)
    except UnreadableError as error:
        return inlet.refuse(path, size, Fault.of(error))
    finally:
        stream.close()


def _stage_short(
    candidate: Candidate, data: bytes, inlet: Inlet, *, again: bool
) -> Staged | Present | Refused:
    """Stage a file that is in memory."""
    sha256 = hashlib.sha256(data).hexdigest()
    if not again and inlet.holds(sha256, len(data)):
        return Present(candidate, sha256)
    try:
        entry, terms = _accept(MemoryBytes(data), sha256, inlet)
        inlet.room.take(len(data))
    except (NonConformantError, RefusedError) as error:
        return inlet.refuse(candidate.path, candidate.size, Fault.of(error), data)
    return Staged(candidate, entry, write_temporary(inlet.folder, [data]), terms)


def _stage_long(
    candidate: Candidate, block: bytes, stream: Readable, inlet: Inlet, *, again: bool
) -> Staged | Present | Refused:
    """Stage a file of which a block is in memory and the rest is to come."""
    size = candidate.size
    try:
        _check_beginning(block, inlet.terms.bounds)
        inlet.room.take(size)
    except (NonConformantError, RefusedError) as error:
        content = None
        is_hostile = isinstance(error, HostileInputError)
        if is_hostile and size <= inlet.quarantine.bounds.file_bytes:
            content, _sha256 = copy(stream, block, inlet.folder, size)
        return inlet.refuse(candidate.path, size, Fault.of(error), content)
    temporary, sha256 = copy(stream, block, inlet.folder)
    try:
        with FileBytes(temporary) as written:
            if not again and inlet.holds(sha256, written.size):
                temporary.unlink()
                return Present(candidate, sha256)
            entry, terms = _accept(written, sha256, inlet)
    except (NonConformantError, RefusedError) as error:
        inlet.room.give_back(size)
        return inlet.refuse(candidate.path, size, Fault.of(error), temporary)
    return Staged(candidate, entry, temporary, terms)


def _accept(source: ByteSource, sha256: str, inlet: Inlet) -> tuple[Entry, Terms | None]:
    """Return what the index keeps of a file, and the terms, if they are not the usual ones."""
    terms = inlet.terms
    if terms.are_usual:
        return look_again(source, sha256, terms.bounds, inlet.quarantine), None
    entry = look_at(source, sha256, terms.bounds, terms.waived)
    try:
        look_at(source, sha256, DEFAULT_BOUNDS)
    except (NonConformantError, HostileInputError):
        return entry, terms
    return entry, None


def _check_beginning(block: bytes, bounds: Bounds) -> None:
    """Refuse what is plainly not DICOM before gigabytes of it are copied."""
    try:
        read_header(MemoryBytes(block), bounds=bounds)
    except NonConformantError as error:
        if error.reason == "not-dicom":
            raise
        # A header longer than the block looks cut off; the whole of it is read later.


def look_at(
    source: ByteSource, sha256: str, bounds: Bounds, waived: frozenset[str] = frozenset()
) -> Entry:
    """Return what the index keeps of an instance, or refuse it."""
    header = read_header(source, bounds=bounds)
    check_instance(header, source, waived=waived)
    return Entry(
        sha256=sha256,
        size=source.size,
        record=instance_record(header),
        header=pack_header(dicom_json_text(header)),
        findings=header.findings,
    )


def look_again(
    source: ByteSource, sha256: str, bounds: Bounds, quarantine: QuarantineFiles
) -> Entry:
    """Return the same for a content that may have been released from quarantine on other terms."""
    try:
        return look_at(source, sha256, bounds)
    except (NonConformantError, HostileInputError):
        terms = quarantine.terms(sha256)
        if terms is None:
            raise
        return look_at(source, sha256, terms.bounds, terms.waived)
