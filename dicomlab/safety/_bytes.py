"""Where bytes come from: read by range, so that a header costs a header."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self


class ByteSource(Protocol):
    """Bytes of one instance that can be read by range."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end."""


class MemoryBytes:
    """Bytes that are in memory already."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`."""
        return self._data[offset : offset + size]


class FileBytes:
    """A local file, open until closed; use it in a ``with`` statement."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._descriptor).st_size

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self._path)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`."""
        return os.pread(self._descriptor, size, offset)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


_BLOCK = 128 << 10
_BLOCKS_KEPT = 8


class BlockBytes:
    """Bytes that come from afar: small reads are served from blocks, large ones pass through.

    Parameters
    ----------
    source
        Where the bytes are; one thread uses it.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self.size = source.size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end."""
        number, start = divmod(offset, _BLOCK)
        if start + size > _BLOCK:
            return self._source.read_at(offset, size)
        block = self._blocks.get(number)
        if block is None:
            block = self._source.read_at(number * _BLOCK, _BLOCK)
            self._blocks[number] = block
            if len(self._blocks) > _BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        return block[start : start + size]


@dataclass(frozen=True, slots=True)
class FilePart:
    """A stretch of a file that holds an instance as it is: a member of a tar.

    Attributes
    ----------
    path
        The file.
    offset, size
        Where the stretch begins in it, and how long it is.
    """

    path: Path
    offset: int
    size: int

    def open(self) -> PartBytes:
        """Open it; use it in a ``with`` statement."""
        return PartBytes(self)


class PartBytes(FileBytes):
    """The bytes of a stretch of a file, counted from where it begins."""

    def __init__(self, part: FilePart) -> None:
        super().__init__(part.path)
        self._offset = part.offset
        self.size = part.size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end."""
        return super().read_at(self._offset + offset, max(min(size, self.size - offset), 0))
