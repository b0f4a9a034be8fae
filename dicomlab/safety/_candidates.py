"""What may be DICOM: files, folders and zips, walked without trusting a name in them."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Protocol, TypeAlias

from dicomlab.errors import StorageError
from dicomlab.safety._bounds import Bounds

_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_IS_ENCRYPTED = 0x1


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes, none at the end."""

    def close(self) -> None:
        """Let go of it."""


class UnreadableError(StorageError):
    """The bytes of a candidate cannot be had; `reason` and the text say why."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FileCandidate:
    """A file on disk that may be DICOM."""

    path: str
    size: int

    def open(self) -> Readable:
        """Open it, but neither a link nor anything that has taken the file's place."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise _unreadable(error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UnreadableError("not-a-file", _NOT_A_FILE)
        return _FileStream(descriptor)


@dataclass(frozen=True, slots=True)
class ZipCandidate:
    """A member of a zip that may be DICOM."""

    path: str
    size: int
    container: zipfile.ZipFile
    member: zipfile.ZipInfo

    def open(self) -> Readable:
        """Open it for inflating; no more than its declared size ever comes out."""
        if self.member.flag_bits & _IS_ENCRYPTED:
            raise UnreadableError(
                "encrypted", "The zip member is encrypted. Unpack it with its password first."
            )
        try:
            return _ZipStream(self.container.open(self.member))
        except NotImplementedError as error:
            raise UnreadableError(
                "zip-compression",
                "The zip member is compressed in a way that Python does not read. Unpack it first.",
            ) from error
        except (zipfile.BadZipFile, OSError) as error:
            raise UnreadableError("damaged-zip", _DAMAGED_ZIP) from error


Candidate: TypeAlias = FileCandidate | ZipCandidate


class Drain:
    """All candidates so far must be done with before the walk goes on: a zip closes."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was not taken, and why.

    Attributes
    ----------
    path
        As the user knows it; a member of a zip stands behind the zip's own path and ``!/``.
    reason
        A code for tables, such as ``"truncated"``.
    message
        The same in a sentence: what is wrong and what to do.
    """

    path: str
    reason: str
    message: str


Found: TypeAlias = Candidate | Refusal | Drain

_NOT_A_FILE = "This is no regular file (a pipe, socket or device). Leave it out."
_DAMAGED_ZIP = "The zip is damaged or cut short. Copy it again, or repair it."
_LINK = (
    "A symbolic link inside a folder is not followed, as it may lead anywhere. "
    "Name what it points to by its own path."
)


def find_candidates(paths: Iterable[str | os.PathLike[str]], bounds: Bounds) -> Iterator[Found]:
    """Yield what may be DICOM under the paths, and a refusal for each thing that cannot be read.

    A path given may be a symbolic link; links inside folders are not followed. Folders are walked
    by name, so that the same tree gives the same order.
    """
    for path in paths:
        text = os.fspath(path)
        try:
            real = str(Path(text).expanduser().resolve(strict=True))
            mode = os.stat(real).st_mode  # noqa: PTH116  the mode, once, for all questions
        except (OSError, RuntimeError) as error:
            yield _row_of(text, error)
            continue
        if stat.S_ISDIR(mode):
            yield from _walk_folder(real, real, bounds)
        else:
            yield from _walk_file(real, bounds, may_be_zip=True)


def _walk_folder(folder: str, top: str, bounds: Bounds) -> Iterator[Found]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield _row_of(folder, error)
        return
    for entry in names:
        if entry.is_symlink():
            if not _stays_inside(entry.path, top):
                yield _row(entry.path, "link", _LINK)
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk_folder(entry.path, top, bounds)
        else:
            yield from _walk_file(
                entry.path, bounds, may_be_zip=entry.name.lower().endswith(".zip")
            )


def _stays_inside(link: str, top: str) -> bool:
    """Say whether a link leads to something in the same tree, which the walk meets anyhow."""
    return os.path.realpath(link).startswith(top.rstrip(os.sep) + os.sep)


def _walk_file(path: str, bounds: Bounds, *, may_be_zip: bool) -> Iterator[Found]:
    try:
        found = os.stat(path, follow_symlinks=False)  # noqa: PTH116  a Path for each file is slow
        is_file = stat.S_ISREG(found.st_mode)
        is_zip = is_file and may_be_zip and _starts_like_zip(path)
    except OSError as error:
        yield _row_of(path, error)
        return
    if not is_file:
        yield _row(path, "not-a-file", _NOT_A_FILE)
    elif is_zip:
        yield from _walk_zip(path, found.st_size, bounds)
    else:
        yield FileCandidate(path, found.st_size)


def _walk_zip(path: str, size: int, bounds: Bounds) -> Iterator[Found]:
    try:
        container = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        yield _row(path, "damaged-zip", _DAMAGED_ZIP)
        return
    with container:
        members = [member for member in container.infolist() if not member.is_dir()]
        inflated = sum(member.file_size for member in members)
        limit = bounds.archive_ratio * size + bounds.inflation_slack_bytes
        if len(members) > bounds.archive_entries:
            yield _row(
                path, "archive-entries",
                f"The zip holds {len(members)} members, more than {bounds.archive_entries}. "
                "Unpack it if it is to be trusted.",
            )  # fmt: skip
        elif inflated > limit:
            yield _row(
                path, "archive-ratio",
                f"The zip of {size} bytes declares {inflated} bytes, more than {limit}. "
                "Unpack it if it is to be trusted.",
            )  # fmt: skip
        else:
            for member in members:
                name = f"{path}!/{member.filename}"
                yield ZipCandidate(name, member.file_size, container, member)
            yield Drain()


def _starts_like_zip(path: str) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123  a Path for each file is slow
        return file.read(4) in _ZIP_STARTS


class _FileStream:
    """A file read without Python's buffer, which a whole read does not need."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, size: int, /) -> bytes:
        try:
            return os.read(self._descriptor, size)
        except OSError as error:
            raise _unreadable(error) from error

    def close(self) -> None:
        os.close(self._descriptor)


class _ZipStream:
    """A zip member whose damage is told in our terms."""

    def __init__(self, member: Readable) -> None:
        self._member = member

    def read(self, size: int, /) -> bytes:
        try:
            return self._member.read(size)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise UnreadableError("damaged-zip", _DAMAGED_ZIP) from error

    def close(self) -> None:
        self._member.close()


def read_up_to(stream: Readable, size: int) -> bytes:
    """Return so many bytes of a stream, fewer only at its end."""
    first = stream.read(size)
    if not first or len(first) == size:
        return first
    joined = BytesIO()
    joined.write(first)
    while joined.tell() < size:
        more = stream.read(size - joined.tell())
        if not more:
            break
        joined.write(more)
    return joined.getvalue()


def _unreadable(error: OSError) -> UnreadableError:
    return UnreadableError(
        "unreadable",
        f"It cannot be read: {error.strerror or type(error).__name__}. "
        "Check that it exists and that you may read it.",
    )


def _row_of(path: str, error: OSError | RuntimeError) -> Refusal:
    if not isinstance(error, OSError):  # a loop of links
        return _row(path, "link", _LINK)
    unreadable = _unreadable(error)
    return _row(path, unreadable.reason, str(unreadable))


def _row(path: str, reason: str, message: str) -> Refusal:
    return Refusal(path, reason, message)
