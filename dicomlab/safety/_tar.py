"""Tars, plain or compressed, read as a stream; nothing is extracted under a name of theirs.

Python's own module holds extended headers of any declared size in memory and knows no bounds.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol, TypeAlias

from dicomlab.safety._bounds import Bounds
from dicomlab.safety._bytes import FilePart
from dicomlab.safety._refusal import Readable, Refusal, UnreadableError, unreadable

TAR_NAMES: Final = (
    ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst",
)  # fmt: skip
"""How the names of tars end."""

_BLOCK: Final = 512
_PIECE: Final = 1 << 20
_SPOOL: Final = 64 << 20
_EXTENDED: Final = 1 << 20
"""The longest extended header that is read; it holds names, and real ones are short."""
_XZ_MEMORY: Final = 256 << 20
_STARTS: Final = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd",
}  # fmt: skip
_OUR_OWN: Final = frozenset(("unreadable", "no-space"))
"""Reasons that say nothing of the tar itself."""
_DAMAGE: Final = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)


class TarCandidate:
    """A member of a tar that may be DICOM.

    Attributes
    ----------
    path, size
        As the user knows it, and as the tar declares it.
    container
        The tar, where the member lies in it as it is; ``None`` for a compressed tar.
    offset
        Of the member in the tar, or in the file that holds what was unpacked.
    """

    __slots__ = ("_file", "container", "offset", "path", "size")

    def __init__(
        self, path: str, size: int, *, container: str | None, file: _Shared | None, offset: int
    ) -> None:
        self.path = path
        self.size = size
        self.container = container
        self.offset = offset
        self._file = file

    def open(self) -> Readable:
        """Open it; no more than its declared size ever comes out."""
        if self._file is None:
            raise _compressed()
        return _MemberStream(self._file, self.offset, self.size)

    def part(self) -> FilePart:
        """Return where it lies in its tar.

        Raises
        ------
        UnreadableError
            The tar is compressed.
        """
        if self.container is None:
            raise _compressed()
        return FilePart(Path(self.container), self.offset, self.size)


TarFound: TypeAlias = TarCandidate | Refusal


def is_tar(path: str) -> bool:
    """Say whether a file is a tar, plain or compressed: its first block has the sum of one."""
    with open(path, "rb") as file:  # noqa: PTH123  a Path for each file is slow
        start = file.read(_BLOCK)
        if _Header.parse(start) is not None:
            return True
        kind = _kind(start)
        if kind is None or kind == "zstd":
            return kind == "zstd" and path.lower().endswith((".tar.zst", ".tzst"))
        file.seek(0)
        try:
            return _Header.parse(_inflating(kind, file).read(_BLOCK)) is not None
        except _DAMAGE:
            # Too damaged to say; by its name it is meant to be one.
            return path.lower().endswith(TAR_NAMES)


def walk_tar(path: str, bounds: Bounds, *, contents: bool) -> Iterator[TarFound]:
    """Yield the files in a tar, and a refusal for each other thing and for damage.

    Parameters
    ----------
    contents
        Whether the members of a compressed tar are going to be opened; if not, nothing of them is
        kept.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        yield Refusal(path, "unreadable", str(unreadable(error)))
        return
    shared = _Shared(descriptor)
    size = os.fstat(descriptor).st_size
    kind = _kind(os.pread(descriptor, _BLOCK, 0))
    if kind == "zstd":
        yield Refusal(
            path,
            "tar-compression",
            "A tar compressed with zstd is not read here. Unpack it first: zstd -d.",
            file=path,
        )
        return
    if kind is None:
        yield from _Walk(path, bounds, _Plain(shared, path, size)).found()
        return
    limit = bounds.archive_ratio * size + bounds.inflation_slack_bytes
    # Not the walk's own descriptor: a stream moves its position.
    with open(path, "rb") as file:  # noqa: PTH123  a Path for each file is slow
        inflating = _inflating(kind, file)
        yield from _Walk(path, bounds, _Unpacked(inflating, limit, keep=contents)).found()


@dataclass(frozen=True, slots=True)
class _Header:
    """One header block (POSIX.1 pax, "ustar interchange format")."""

    name: str
    size: int
    kind: bytes

    @classmethod
    def parse(cls, block: bytes) -> _Header | None:
        """Return what a block says, ``None`` where it is no header."""
        if len(block) < _BLOCK:
            return None
        total = sum(block) - sum(block[148:156]) + 8 * 32
        size, check = _number(block[124:136]), _number(block[148:156])
        if size is None or check != total:
            return None
        name = _text(block[:100])
        if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
            name = f"{prefix}/{name}"
        return cls(name, size, block[156:157])


class _Bytes(Protocol):
    """The bytes of a tar, from its beginning to its end."""

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer only at the end."""

    def member(self, path: str, size: int) -> TarCandidate:
        """Return the next bytes as a candidate, and go on behind them."""

    def skip(self, size: int) -> None:
        """Go on behind so many bytes."""


class _Walk:
    """One pass over a tar."""

    def __init__(self, path: str, bounds: Bounds, source: _Bytes) -> None:
        self._path = path
        self._bounds = bounds
        self._source = source
        self._name: str | None = None
        self._size: int | None = None
        self._is_sparse = False

    def found(self) -> Iterator[TarFound]:
        members = 0
        try:
            while (header := self._header()) is not None:
                if header.kind in b"xXgLK":
                    self._extend(header)
                    continue
                members += 1
                if members > self._bounds.archive_entries:
                    yield Refusal(
                        self._path,
                        "archive-entries",
                        f"The tar holds more than {self._bounds.archive_entries} members; those "
                        "after them were left out. Unpack it if it is to be trusted.",
                        file=self._path,
                        limit=self._bounds.archive_entries,
                        found=members,
                    )
                    return
                yield from self._one(header)
        except UnreadableError as error:
            kept = None if error.reason in _OUR_OWN else self._path
            yield Refusal(self._path, error.reason, str(error), file=kept)
        except _DAMAGE:
            yield Refusal(self._path, "damaged-tar", str(_damaged()), file=self._path)

    def _header(self) -> _Header | None:
        """Return the next header, ``None`` at the block of zeros that ends a tar."""
        block = self._source.read(_BLOCK)
        header = _Header.parse(block)
        if header is None and (len(block) < _BLOCK or block.strip(b"\0")):
            raise _damaged()
        return header

    def _one(self, header: _Header) -> Iterator[TarFound]:
        size = header.size if self._size is None else self._size
        path = f"{self._path}!/{self._name or header.name}"
        is_sparse, is_folder = self._is_sparse, header.kind == b"5"
        self._name, self._size, self._is_sparse = None, None, False
        is_file = header.kind in (b"0", b"\0", b"7")
        if is_file and header.kind == b"\0" and path.endswith("/"):
            is_folder = True  # As tars were before POSIX.
        refusal = _KINDS.get(b"S" if is_sparse else header.kind, None if is_file else _OTHER)
        if is_folder or refusal is not None:
            if refusal is not None and not is_folder:
                yield Refusal(path, *refusal)
            # Links, devices and folders have no contents, whatever their size says.
            self._source.skip(0 if header.kind in b"123456" else _padded(size))
            return
        yield self._source.member(path, size)
        self._source.skip(_padded(size) - size)

    def _extend(self, header: _Header) -> None:
        """Take what an extended header says of the next member: its name, its size."""
        if header.size > _EXTENDED:
            raise UnreadableError(
                "tar-header",
                f"An extended header of the tar declares {header.size} bytes, more than "
                f"{_EXTENDED}. Unpack the tar if it is to be trusted.",
            )
        raw = self._source.read(_padded(header.size))
        if len(raw) < _padded(header.size):
            raise _damaged()
        if header.kind == b"L":
            self._name = _text(raw[: header.size])
        elif header.kind in b"xX":
            self._records(raw[: header.size])

    def _records(self, raw: bytes) -> None:
        """Read the records of a pax header: length, keyword, value."""
        while raw:
            length, _space, _rest = raw.partition(b" ")
            if not length.isdigit() or not 0 < len(length) < 8 or int(length) > len(raw):
                raise _damaged()
            if int(length) <= len(length):
                raise _damaged()
            record, raw = raw[len(length) + 1 : int(length)], raw[int(length) :]
            keyword, _equals, value = record.rstrip(b"\n").partition(b"=")
            if keyword == b"path":
                self._name = _text(value)
            elif keyword == b"size":
                if not value.isdigit() or len(value) > 20:
                    raise _damaged()
                self._size = int(value)
            elif keyword.startswith(b"GNU.sparse."):
                self._is_sparse = True


_LINK: Final = (
    "link",
    "A link inside a tar is not followed, as it may lead anywhere. Take what it points to.",
)
_NO_FILE: Final = (
    "not-a-file",
    "This is no regular file (a pipe or device). Leave it out.",
)
_OTHER: Final = (
    "tar-member",
    "The tar member is of a kind that is not read here, sparse say. Unpack the tar first.",
)
_KINDS: Final = {
    b"1": _LINK, b"2": _LINK, b"3": _NO_FILE, b"4": _NO_FILE, b"6": _NO_FILE, b"S": _OTHER,
}  # fmt: skip


class _Shared:
    """A file that several members lie in; it is closed when none of them is held any more."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)


class _MemberStream:
    """The bytes of a member, and not one more."""

    def __init__(self, file: _Shared, offset: int, size: int) -> None:
        self._file = file
        self._position = offset
        self._left = size

    def read(self, size: int, /) -> bytes:
        try:
            data = os.pread(self._file.descriptor, min(size, self._left), self._position)
        except OSError as error:
            raise unreadable(error) from error
        if not data and size and self._left:
            raise _damaged()
        self._position += len(data)
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Nothing to do: the file is shared."""


class _Plain:
    """A tar as it lies: its members are read from it, when they are opened."""

    def __init__(self, file: _Shared, path: str, size: int) -> None:
        self._file = file
        self._path = path
        self._size = size
        self._position = 0

    def read(self, size: int) -> bytes:
        data = os.pread(self._file.descriptor, size, self._position)
        self._position += len(data)
        return data

    def member(self, path: str, size: int) -> TarCandidate:
        if size > self._size - self._position:
            raise _damaged()
        found = TarCandidate(
            path, size, container=self._path, file=self._file, offset=self._position
        )
        self._position += size
        return found

    def skip(self, size: int) -> None:
        self._position += size


class _Unpacked:
    """A compressed tar: its members are unpacked in order into nameless files of bounded size."""

    def __init__(self, stream: Readable, limit: int, *, keep: bool) -> None:
        self._stream = stream
        self._limit = limit
        self._left = limit
        self._keep = keep
        self._spool: _Shared | None = None
        self._spooled = 0

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := self._stream.read(min(size - len(data), _PIECE))):
            data += more
        self._left -= len(data)
        if self._left < 0:
            raise UnreadableError(
                "archive-ratio",
                f"The tar grows beyond {self._limit} bytes; what comes after them was left out. "
                "Unpack it if it is to be trusted.",
            )
        return data

    def member(self, path: str, size: int) -> TarCandidate:
        if not self._keep:
            self.skip(size)
            return TarCandidate(path, size, container=None, file=None, offset=0)
        if self._spool is None or self._spooled + size > _SPOOL:
            self._spool, self._spooled = _nameless(), 0
        offset = self._spooled
        for piece in self._pieces(size):
            _write(self._spool.descriptor, piece, self._spooled)
            self._spooled += len(piece)
        return TarCandidate(path, size, container=None, file=self._spool, offset=offset)

    def skip(self, size: int) -> None:
        for _piece in self._pieces(size):
            pass

    def _pieces(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self.read(min(size, _PIECE))
            if not piece:
                raise _damaged()
            size -= len(piece)
            yield piece


def _nameless() -> _Shared:
    """Return a new file without a name, which goes when it is closed."""
    descriptor, name = tempfile.mkstemp(prefix="dicomlab-")
    Path(name).unlink()
    return _Shared(descriptor)


def _write(descriptor: int, data: bytes, offset: int) -> None:
    try:
        while data:
            done = os.pwrite(descriptor, data, offset)
            data, offset = data[done:], offset + done
    except OSError as error:
        raise UnreadableError(
            "no-space",
            f"The tar cannot be unpacked into the folder for temporary files: {error.strerror}. "
            "Make room there, or set TMPDIR to a folder with room.",
        ) from error


class _Decompressor(Protocol):
    """What bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Inflating:
    """A file of bzip2 or xz streams; no more is ever unpacked than asked for."""

    def __init__(self, kind: str, file: Readable) -> None:
        self._kind = kind
        self._file = file
        self._decompressor = self._new()

    def _new(self) -> _Decompressor:
        if self._kind == "bzip2":
            return bz2.BZ2Decompressor()
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(self, size: int, /) -> bytes:
        data = b""
        while not data:
            if self._decompressor.eof:
                rest = self._decompressor.unused_data or self._file.read(_PIECE)
                if not rest.strip(b"\0"):
                    return b""
                self._decompressor = self._new()
            else:
                rest = self._file.read(_PIECE) if self._decompressor.needs_input else b""
                if self._decompressor.needs_input and not rest:
                    raise EOFError
            data = self._decompressor.decompress(rest, size)
        return data

    def close(self) -> None:
        self._file.close()


def _inflating(kind: str, file: IO[bytes]) -> Readable:
    return gzip.GzipFile(fileobj=file, mode="rb") if kind == "gzip" else _Inflating(kind, file)


def _kind(start: bytes) -> str | None:
    return next((kind for magic, kind in _STARTS.items() if start.startswith(magic)), None)


def _number(field: bytes) -> int | None:
    """Return a number as tars write it: octal digits, or base 256 where the first bit is set."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        return None
    return int(digits or b"0", 8)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _compressed() -> UnreadableError:
    return UnreadableError(
        "compressed-tar", "A compressed tar cannot be read in place. Unpack it, or import it."
    )


def _damaged() -> UnreadableError:
    return UnreadableError(
        "damaged-tar", "The tar is damaged or cut short. Copy it again, or repair it."
    )
