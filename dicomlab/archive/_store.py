"""What holds the files of the archive: one an instance, as received, named by its hash."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from dicomlab.catalog import Frames
from dicomlab.errors import StorageError
from dicomlab.safety import ByteSource, Header

FILE_NAME: Final = re.compile(r"([0-9a-f]{64})\.dcm")
SHARDS: Final = tuple(f"{number:02x}" for number in range(256))
"""The folders of the store, by the first two digits of the hash."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the store as its listing shows it.

    Attributes
    ----------
    name
        Below the archive's location.
    received_ns
        When it was taken in; files of one import in their order once `Store.in_order` put them so.
    """

    name: str
    sha256: str
    size: int
    received_ns: int


class Store(Protocol):
    """Files that no sender can name: ``instances/ab/ab….dcm``."""

    @property
    def staging(self) -> Path:
        """A folder on a local disk, which takes what is on its way."""

    @property
    def at_once(self) -> int:
        """How many requests it answers better at one time than one after the other."""

    def holds(self, sha256: str, size: int) -> bool:
        """Whether a content is there, in full length."""

    def open(self, sha256: str, size: int) -> ByteSource:
        """Return the bytes of a content, read by range when they are asked for."""

    def frames(self, sha256: str, size: int, header: Header) -> Frames:
        """Return the frames of a content with pixel data, of which the header is known."""

    def digest(self, sha256: str, size: int) -> str | None:
        """Return the SHA-256 that a content has in truth; ``None`` where it cannot be read.

        Raises
        ------
        StorageError
            The store itself cannot be reached.
        """

    def exists(self, sha256: str) -> bool:
        """Whether a file of this name is there."""

    def files(self, shard: str) -> Iterator[StoredFile]:
        """Yield the files of a shard, by name."""

    def in_order(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Return files in the order in which they came."""

    def strangers(self) -> Iterator[str]:
        """Yield the names of what the archive did not put among its files."""

    def set_aside(self, sha256: str, found: str) -> None:
        """Move a file whose content has another hash out of the way; it is kept."""

    def incoming(self) -> AbstractContextManager[Path]:
        """Give a local folder for temporary files of one import."""

    def take_in(self, files: Iterable[tuple[Path, str]]) -> None:
        """Take temporary files in under their hashes; when this returns they are there for good."""

    def remove(self, sha256s: Iterable[str]) -> None:
        """Remove contents, also those set aside; when this returns they are gone for good.

        What is not there is no error.
        """


def name_of(sha256: str) -> str:
    """Return the name of a content's file below the archive's location."""
    return f"instances/{sha256[:2]}/{sha256}.dcm"


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn an error of the local disk into ours."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{what} failed: {error.strerror or type(error).__name__}. "
            "Check free space and permissions of the archive's folder."
        ) from error
