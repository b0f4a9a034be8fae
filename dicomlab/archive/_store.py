"""What holds the files of the archive: one an instance, as received, named by its hash."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeVar

from dicomlab.catalog import Frames
from dicomlab.errors import StorageError
from dicomlab.safety import ByteSource, Header

_T = TypeVar("_T")
_R = TypeVar("_R")
_FILE_NAME: Final = re.compile(r"([0-9a-f]{64})\.dcm")
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


@dataclass(slots=True)
class Listing:
    """What is in a shard.

    Attributes
    ----------
    strangers
        Names of what the archive did not put there.
    """

    files: list[StoredFile] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


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

    def shards(self) -> Sequence[str]:
        """Return the shards that may hold files."""

    def listing(self, shard: str) -> Listing:
        """Return what is in a shard, by name."""

    def in_order(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Return files in the order in which they came."""

    def strangers(self) -> Iterator[str]:
        """Yield the names of what stands among the shards and is none."""

    def set_aside(self, sha256: str, found: str) -> None:
        """Move a file whose content has another hash out of the way; it is kept."""

    def incoming(self) -> AbstractContextManager[Path]:
        """Give a local folder for temporary files of one import."""

    def take_in(
        self, files: Iterable[tuple[Path, str]], received_ns: Sequence[int] | None = None
    ) -> None:
        """Take temporary files in under their hashes; when this returns they are there for good.

        Parameters
        ----------
        received_ns
            When each came, in order, where that is not now.
        """

    def remove(self, sha256s: Iterable[str]) -> None:
        """Remove contents, also those set aside; when this returns they are gone for good.

        What is not there is no error.
        """


def hash_in(name: str, shard: str) -> str | None:
    """Return the hash that the name of a shard's file holds, ``None`` where it is no such name."""
    named = _FILE_NAME.fullmatch(name)
    return named[1] if named is not None and name.startswith(shard) else None


def name_of(sha256: str) -> str:
    """Return the name of a content's file below the archive's location."""
    return f"instances/{sha256[:2]}/{sha256}.dcm"


def each(store: Store, function: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
    """Yield what a function makes of each; of what is afar, several come at one time."""
    if store.at_once == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(store.at_once, "dicomlab-store") as pool:
        yield from pool.map(function, items)


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
