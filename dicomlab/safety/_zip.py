"""One member of a zip as bytes by range; nothing is extracted."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from dicomlab.safety._bytes import FileBytes
from dicomlab.safety._candidates import ZipCandidate
from dicomlab.safety._refusal import UnreadableError

_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
_BLOCK: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class ZipMember:
    """Where a member's bytes lie in its zip; opened for each use, so that it can travel.

    Attributes
    ----------
    path
        The zip.
    offset
        Of the member's local header.
    compressed_size, size
        As the zip's directory declares them; no more than `size` ever comes out.
    """

    path: Path
    offset: int
    compressed_size: int
    size: int
    crc: int
    is_deflated: bool

    @classmethod
    def of(cls, candidate: ZipCandidate) -> ZipMember:
        """Return the place of a candidate.

        Raises
        ------
        UnreadableError
            It is encrypted, or compressed in another way than deflate.
        """
        member = candidate.member
        if member.flag_bits & 1:
            raise UnreadableError(
                "encrypted", "The zip member is encrypted. Unpack it with its password first."
            )
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnreadableError(
                "zip-compression",
                "The zip member is compressed in a way that is not read here. Unpack it first.",
            )
        return cls(
            Path(os.fsdecode(candidate.container.filename or "")),
            member.header_offset,
            member.compress_size,
            member.file_size,
            member.CRC,
            member.compress_type == zipfile.ZIP_DEFLATED,
        )

    def open(self) -> MemberBytes:
        """Open the member; use it in a ``with`` statement."""
        return MemberBytes(self)


class MemberBytes:
    """The bytes of a zip member by range: inflated no further than asked for."""

    def __init__(self, member: ZipMember) -> None:
        self.member = member
        self.size = member.size
        self._file = FileBytes(member.path)
        try:
            self.start = self._data_offset()
        except UnreadableError:
            self._file.close()
            raise
        self._inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        self._inflated = bytearray()
        self._taken = 0

    def _data_offset(self) -> int:
        raw = self._file.read_at(self.member.offset, _LOCAL_HEADER.size)
        if len(raw) < _LOCAL_HEADER.size or raw[:4] != b"PK\x03\x04":
            raise _damaged()
        _signature, name, extra = _LOCAL_HEADER.unpack(raw)
        return self.member.offset + _LOCAL_HEADER.size + int(name) + int(extra)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`.

        Raises
        ------
        UnreadableError
            The zip is damaged.
        """
        end = min(offset + size, self.size)
        if not self.member.is_deflated:
            return self._file.read_at(self.start + offset, max(end - offset, 0))
        while len(self._inflated) < end:
            self._inflate(end)
        return bytes(self._inflated[offset:end])

    def read(self) -> bytes:
        """Return all bytes, checked against the zip's own sum.

        Raises
        ------
        UnreadableError
            The zip is damaged.
        """
        data = self.read_at(0, self.size)
        if len(data) != self.size or zlib.crc32(data) != self.member.crc:
            raise _damaged()
        return data

    def _inflate(self, end: int) -> None:
        left = self.member.compressed_size - self._taken
        block = self._inflater.unconsumed_tail
        if not block:
            block = self._file.read_at(self.start + self._taken, min(left, _BLOCK))
            self._taken += len(block)
        try:
            more = self._inflater.decompress(block, end - len(self._inflated))
        except zlib.error as error:
            raise _damaged() from error
        if not more and not self._inflater.unconsumed_tail and (not block or self._inflater.eof):
            raise _damaged()
        self._inflated += more

    def close(self) -> None:
        """Close the zip."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _damaged() -> UnreadableError:
    return UnreadableError(
        "damaged-zip", "The zip is damaged or cut short. Copy it again, or repair it."
    )
