"""What the files of one import go through, and where those go that are refused."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from dicomlab.archive._database import Database
from dicomlab.archive._incoming import write_temporary
from dicomlab.archive._notes import Fault, Terms, describe
from dicomlab.archive._quarantine_files import Held, QuarantineFiles, QuarantineRoom
from dicomlab.archive._report import ImportRow, Outcome
from dicomlab.archive._room import Room
from dicomlab.archive._store import Store
from dicomlab.archive._writer import known_contents
from dicomlab.errors import RefusedError
from dicomlab.safety import (
    FileBytes,
    FileCandidate,
    MemoryBytes,
    Readable,
    Refusal,
    UnreadableError,
)

BLOCK: Final = 8 << 20
"""Files up to this size are in memory once; longer ones pass through in blocks of it."""
_DIRECTORY_REASONS: Final = frozenset(("damaged-directory", "outside-file-set"))
_SOUND: Final = "There is nothing wrong with it; it only lacks room."
_NEVER_KEPT: Final = {
    "media-directory": "It lists instances and is none; those in its folder are looked at.",
    "quota": _SOUND,
    "disk": _SOUND,
}
_NO_BYTES: Final = "It has no bytes that can be read."


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is refused, and what the quarantine shall keep of it."""

    row: ImportRow
    held: Held | None = None


class Inlet:
    """What one import reads by and writes to.

    Parameters
    ----------
    database
        What knows the contents that are there.
    store, quarantine
        Where files go, and where refused ones go.
    folder
        Where temporary files go.
    room
        What may still be written.
    terms
        What a file may ask for.
    """

    def __init__(
        self,
        database: Database,
        store: Store,
        quarantine: QuarantineFiles,
        folder: Path,
        room: Room,
        terms: Terms,
    ) -> None:
        self._database = database
        self.store = store
        self.quarantine = quarantine
        self.folder = folder
        self.room = room
        self.terms = terms
        self._quarantine_room = QuarantineRoom(quarantine)
        self._files: dict[str, ImportRow] = {}
        self._lock = threading.Lock()

    def holds(self, sha256: str, size: int) -> bool:
        """Whether a content need not be written; of what is afar, the index is asked first."""
        if self.store.at_once > 1:
            with self._database.reading() as connection:
                if not known_contents(connection, [sha256]):
                    return False
        return self.store.holds(sha256, size)

    def refuse(
        self, path: str, size: int, fault: Fault, content: bytes | Path | None = None
    ) -> Refused:
        """Return what becomes of a refused file: its row, and what is kept of it.

        Parameters
        ----------
        content
            Its bytes, or the temporary file that has them; ``None`` where they cannot be had.
        """
        outcome = Outcome.NOT_DICOM if fault.reason == "not-dicom" else Outcome.REFUSED
        row = ImportRow(path, outcome, size, reason=fault.reason, message=fault.message)
        refused = Refused(row)
        if outcome is Outcome.REFUSED:
            refused = self._held(row, fault, content, is_container=False)
        if isinstance(content, Path) and refused.held is None:
            content.unlink()
        return refused

    def refuse_file(self, refusal: Refusal) -> Refused:
        """Return the same for what the walk over files refused, a zip or a DICOMDIR as a whole."""
        row = ImportRow(
            refusal.path, Outcome.REFUSED, reason=refusal.reason, message=refusal.message
        )
        if refusal.file is None:
            return Refused(replace(row, not_kept=_NEVER_KEPT.get(refusal.reason, _NO_BYTES)))
        # A DICOMDIR may be refused for each name in it: its bytes are read once.
        with self._lock:
            known = self._files.get(refusal.file)
            if known is not None:
                return Refused(replace(row, quarantine=known.quarantine, not_kept=known.not_kept))
            refused = self._held_file(row, refusal, refusal.file)
            self._files[refusal.file] = refused.row
        return refused

    def _held_file(self, row: ImportRow, refusal: Refusal, file: str) -> Refused:
        try:
            size = os.stat(file, follow_symlinks=False).st_size  # noqa: PTH116  as the walk does
            row = replace(row, size=size if refusal.path == file else 0)
            if why := self._quarantine_room.too_long(size):
                return Refused(replace(row, not_kept=why))
            self.room.needs_disk(size)
            stream = FileCandidate(file, size).open()
        except (OSError, UnreadableError):
            return Refused(replace(row, not_kept=_NO_BYTES))
        except RefusedError as error:
            return Refused(replace(row, not_kept=str(error)))
        try:
            content, _sha256 = copy(stream, b"", self.folder, size)
        except UnreadableError:
            return Refused(replace(row, not_kept=_NO_BYTES))
        finally:
            stream.close()
        is_container = refusal.reason not in _DIRECTORY_REASONS
        refused = self._held(row, Fault.of_refusal(refusal), content, is_container=is_container)
        if refused.held is None:
            content.unlink()
        return refused

    def _held(
        self, row: ImportRow, fault: Fault, content: bytes | Path | None, *, is_container: bool
    ) -> Refused:
        why = _NEVER_KEPT.get(fault.reason, "")
        if content is None:
            why = why or self._quarantine_room.too_long(row.size) or _NO_BYTES
        if why or content is None:
            return Refused(replace(row, not_kept=why))
        sha256, size = _digest(content)
        if self.quarantine.holds(sha256):
            return Refused(replace(row, quarantine=sha256))
        try:
            if isinstance(content, bytes):
                self.room.needs_disk(size)
        except RefusedError as error:
            return Refused(replace(row, not_kept=str(error)))
        if why := self._quarantine_room.refuses(size):
            return Refused(replace(row, not_kept=why))
        if isinstance(content, bytes):
            with_bytes = MemoryBytes(content)
            entry = describe(with_bytes, sha256, row.path, fault, is_container=is_container)
            temporary = write_temporary(self.folder, [content])
        else:
            temporary = content
            with FileBytes(temporary) as source:
                entry = describe(source, sha256, row.path, fault, is_container=is_container)
        return Refused(replace(row, quarantine=sha256), Held(entry, temporary))


def copy(
    stream: Readable, block: bytes, folder: Path, limit: int | None = None
) -> tuple[Path, str]:
    """Write what begins with a block and goes on in a stream; return the file and its SHA-256.

    Parameters
    ----------
    limit
        No more bytes than this are written.
    """
    digest = hashlib.sha256()

    def blocks() -> Iterator[bytes]:
        left = limit
        following = block or stream.read(BLOCK)
        while following and (left is None or left > 0):
            if left is not None:
                following = following[:left]
                left -= len(following)
            digest.update(following)
            yield following
            following = stream.read(BLOCK)

    temporary = write_temporary(folder, blocks())
    return temporary, digest.hexdigest()


def _digest(content: bytes | Path) -> tuple[str, int]:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest(), len(content)
    digest = hashlib.sha256()
    with FileBytes(content) as source:
        for offset in range(0, source.size, BLOCK):
            digest.update(source.read_at(offset, BLOCK))
        return digest.hexdigest(), source.size
