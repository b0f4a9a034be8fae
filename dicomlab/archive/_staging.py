"""One file on its way in: read, hashed, looked at and written beside the store, in one pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dicomlab.archive._incoming import write_temporary
from dicomlab.archive._report import ImportRow, Outcome
from dicomlab.archive._room import Room
from dicomlab.archive._select import pack_header
from dicomlab.archive._store import Store
from dicomlab.archive._writer import Entry
from dicomlab.catalog import dicom_json, instance_record
from dicomlab.errors import NonConformantError, RefusedError
from dicomlab.safety import (
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

_BLOCK = 8 << 20
"""Files up to this size are in memory once; longer ones pass through in blocks of it."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that may go in.

    Attributes
    ----------
    temporary
        Where its bytes are until they have their final name.
    """

    path: str
    entry: Entry
    temporary: Path


@dataclass(frozen=True, slots=True)
class Present:
    """A file whose bytes are in the store already; whether they are indexed is not known yet."""

    candidate: Candidate
    sha256: str

    @property
    def path(self) -> str:
        """As the user knows the file."""
        return self.candidate.path


def stage(
    candidate: Candidate,
    store: Store,
    folder: Path,
    bounds: Bounds,
    room: Room,
    *,
    again: bool = False,
) -> Staged | Present | ImportRow:
    """Read a file once and say what it is; nothing is durable yet.

    Parameters
    ----------
    folder
        Where temporary files of this import go.
    room
        What may still be written.
    again
        The store's own file of this content is not to be relied on: write it once more.
    """
    try:
        stream = candidate.open()
    except UnreadableError as error:
        return _refused(candidate, error.reason, str(error))
    temporary = None
    try:
        block = read_up_to(stream, _BLOCK)
        if len(block) < _BLOCK:
            sha256 = hashlib.sha256(block).hexdigest()
            if not again and store.holds(sha256, len(block)):
                return Present(candidate, sha256)
            entry = look_at(MemoryBytes(block), sha256, bounds)
            room.take(len(block))
            temporary = write_temporary(folder, [block])
        else:
            _check_beginning(block, bounds)
            room.take(candidate.size)
            temporary, sha256 = _copy(stream, block, folder)
            with FileBytes(temporary) as written:
                if not again and store.holds(sha256, written.size):
                    temporary.unlink()
                    return Present(candidate, sha256)
                entry = look_at(written, sha256, bounds)
    except UnreadableError as error:
        return _refused(candidate, error.reason, str(error))
    except (NonConformantError, RefusedError) as error:
        if temporary is not None:
            temporary.unlink()
        reason = error.reason if isinstance(error, NonConformantError) else error.rule
        return _refused(candidate, reason, str(error))
    finally:
        stream.close()
    return Staged(candidate.path, entry, temporary)


def _refused(candidate: Candidate, reason: str, message: str) -> ImportRow:
    outcome = Outcome.NOT_DICOM if reason == "not-dicom" else Outcome.REFUSED
    return ImportRow(candidate.path, outcome, candidate.size, reason=reason, message=message)


def _check_beginning(block: bytes, bounds: Bounds) -> None:
    """Refuse what is plainly not DICOM before gigabytes of it are copied."""
    try:
        read_header(MemoryBytes(block), bounds=bounds)
    except NonConformantError as error:
        if error.reason == "not-dicom":
            raise
        # A header longer than the block looks cut off; the whole of it is read later.


def _copy(stream: Readable, block: bytes, folder: Path) -> tuple[Path, str]:
    digest = hashlib.sha256()

    def blocks() -> Iterator[bytes]:
        following = block
        while following:
            digest.update(following)
            yield following
            following = stream.read(_BLOCK)

    temporary = write_temporary(folder, blocks())
    return temporary, digest.hexdigest()


def look_at(source: ByteSource, sha256: str, bounds: Bounds) -> Entry:
    """Return what the index keeps of an instance, or refuse it."""
    header = read_header(source, bounds=bounds)
    check_instance(header, source)
    return Entry(
        sha256=sha256,
        size=source.size,
        record=instance_record(header),
        header=pack_header(dicom_json(header)),
    )
