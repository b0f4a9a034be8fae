"""The head: how far the chain has come, kept outside the database.

A chain proves that nothing in it was changed; it cannot prove that nothing was cut off its end.
The number and hash of the last entry in a file beside the database can.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from dicomlab.errors import StorageError
from dicomlab.journal._schema import GENESIS

_LINE = re.compile(rb"([0-9]{20}) ([0-9a-f]{64})\n")


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry: its number and its hash. Kept elsewhere, it is a witness (`Journal.head`)."""

    sequence: int = 0
    hash: str = GENESIS


class HeadFile:
    """A file of one line that is written over in place.

    One write of 86 bytes within one sector is not torn; it is not forced to the disk, so after a
    power cut the head may be some entries old, which is still a witness of those before.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Head | None:
        """Return the head, ``None`` where there is no file.

        Raises
        ------
        ValueError
            It holds something else.
        StorageError
            It cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise _unusable(exc) from exc
        match = _LINE.fullmatch(content)
        if match is None:
            raise ValueError("the head file holds no head")
        return Head(int(match[1]), match[2].decode())

    def write(self, head: Head, *, durable: bool = False) -> None:
        """Write the head.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                content = f"{head.sequence:020d} {head.hash}\n".encode()
                os.lseek(handle, 0, os.SEEK_SET)
                os.write(handle, content)
                os.ftruncate(handle, len(content))
                if durable:
                    os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as exc:
            raise _unusable(exc) from exc


def _unusable(exc: OSError) -> StorageError:
    return StorageError(
        f"The journal's head file cannot be used ({exc.strerror}). "
        "Check the permissions and the free space of the journal's folder."
    )
