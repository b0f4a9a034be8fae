"""What may be DICOM: files, folders, zips and tars, walked without trusting a name in them."""

from __future__ import annotations

import glob
import os
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

from dicomlab.safety._bounds import Bounds
from dicomlab.safety._file_set import check_file_set, is_directory_name
from dicomlab.safety._refusal import Readable, Refusal, UnreadableError, unreadable
from dicomlab.safety._tar import TAR_NAMES, TarCandidate, is_tar, walk_tar

_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_IS_ENCRYPTED = 0x1


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
            raise unreadable(error) from error
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


Candidate: TypeAlias = FileCandidate | ZipCandidate | TarCandidate


class Drain:
    """All candidates so far must be done with before the walk goes on: a zip closes."""


Found: TypeAlias = Candidate | Refusal | Drain

_NOT_A_FILE = "This is no regular file (a pipe, socket or device). Leave it out."
_DAMAGED_ZIP = "The zip is damaged or cut short. Copy it again, or repair it."
_NO_MATCH = "Nothing has a name like this. Check the pattern, and the folder that it begins with."
_LINK = (
    "A symbolic link inside a folder is not followed, as it may lead anywhere. "
    "Name what it points to by its own path."
)


def find_candidates(
    paths: Iterable[str | os.PathLike[str]], bounds: Bounds, *, contents: bool = True
) -> Iterator[Found]:
    """Yield what may be DICOM under the paths, and a refusal for each thing that cannot be read.

    A path given may be a symbolic link; links inside folders are not followed. Folders are walked
    by name, so that the same tree gives the same order. What a DICOMDIR lists and its folder has
    not is a refusal; the DICOMDIR itself named is its folder.

    Parameters
    ----------
    paths
        Files, folders, zips, tars, and patterns (``scans/**/*.dcm``) where nothing has that name.
    contents
        Whether the candidates are going to be opened. If not, members of compressed tars are only
        listed.
    """
    walk = _Walk(bounds, contents=contents)
    for path in paths:
        text = os.fspath(path)
        expanded = os.path.expanduser(text)  # noqa: PTH111  a Path would lose the end of a pattern
        if glob.has_magic(expanded) and not os.path.lexists(expanded):
            yield from walk.pattern(expanded)
        else:
            yield from walk.named(text, expanded)


class _Walk:
    """What all steps of a walk have in common."""

    def __init__(self, bounds: Bounds, *, contents: bool) -> None:
        self._bounds = bounds
        self._contents = contents

    def named(self, text: str, path: str) -> Iterator[Found]:
        """Walk what a user has named by its path."""
        try:
            # An empty path names nothing; `Path` would take it for the current folder.
            real = str(Path(path).resolve(strict=True)) if path.strip() else path
            mode = os.stat(real).st_mode  # noqa: PTH116  the mode, once, for all questions
        except (OSError, RuntimeError) as error:
            yield _row_of(text, error)
            return
        if stat.S_ISDIR(mode):
            yield from self._folder(real, real)
        elif is_directory_name(real):
            folder = str(Path(real).parent)
            yield from self._folder(folder, folder)
        else:
            yield from self._file(real, may_be_zip=True, may_be_tar=True)

    def pattern(self, pattern: str) -> Iterator[Found]:
        """Walk what a pattern matches, by name and each once, as far as no link leads out."""
        base = os.path.realpath(_without_magic(pattern))
        walked: set[str] = set()
        match = None
        # Not Path.glob, which takes no absolute pattern.
        for match in sorted(glob.iglob(pattern, recursive=True)):  # noqa: PTH207
            real = os.path.realpath(match)
            if not _is_below(real, base):
                yield _row(match, "link", _LINK)
            elif not walked.intersection((real, *map(str, Path(real).parents))):
                walked.add(real)
                yield from self.named(match, real)
        if match is None:
            yield _row(pattern, "no-match", _NO_MATCH)

    def _folder(self, folder: str, top: str) -> Iterator[Found]:
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
                yield from self._folder(entry.path, top)
            else:
                name = entry.name.lower()
                yield from self._file(
                    entry.path,
                    may_be_zip=name.endswith(".zip"),
                    may_be_tar=name.endswith(TAR_NAMES),
                )
                if is_directory_name(name) and entry.is_file(follow_symlinks=False):
                    yield from check_file_set(entry.path, self._bounds)

    def _file(self, path: str, *, may_be_zip: bool, may_be_tar: bool) -> Iterator[Found]:
        try:
            found = os.stat(path, follow_symlinks=False)  # noqa: PTH116  a Path for each is slow
            is_file = stat.S_ISREG(found.st_mode)
            is_zip = is_file and may_be_zip and _starts_like_zip(path)
            is_one_tar = is_file and may_be_tar and not is_zip and is_tar(path)
        except OSError as error:
            yield _row_of(path, error)
            return
        if not is_file:
            yield _row(path, "not-a-file", _NOT_A_FILE)
        elif is_zip:
            yield from _walk_zip(path, found.st_size, self._bounds)
        elif is_one_tar:
            yield from walk_tar(path, self._bounds, contents=self._contents)
        else:
            yield FileCandidate(path, found.st_size)


def _without_magic(pattern: str) -> str:
    """Return the folder that all matches of a pattern lie in, as its first parts name it."""
    while glob.has_magic(pattern):
        pattern = os.path.dirname(pattern)  # noqa: PTH120  a Path would lose what it lies in
    return pattern or os.curdir


def _is_below(real: str, base: str) -> bool:
    return real == base or real.startswith(base.rstrip(os.sep) + os.sep)


def _stays_inside(link: str, top: str) -> bool:
    """Say whether a link leads to something in the same tree, which the walk meets anyhow."""
    return os.path.realpath(link).startswith(top.rstrip(os.sep) + os.sep)


def _walk_zip(path: str, size: int, bounds: Bounds) -> Iterator[Found]:
    try:
        container = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        yield Refusal(path, "damaged-zip", _DAMAGED_ZIP, file=path)
        return
    with container:
        # ZipInfo.is_dir fails for a member without a name.
        members = [one for one in container.infolist() if not one.filename.endswith("/")]
        inflated = sum(member.file_size for member in members)
        limit = bounds.archive_ratio * size + bounds.inflation_slack_bytes
        if len(members) > bounds.archive_entries:
            yield Refusal(
                path, "archive-entries",
                f"The zip holds {len(members)} members, more than {bounds.archive_entries}. "
                "Unpack it if it is to be trusted.",
                file=path, limit=bounds.archive_entries, found=len(members),
            )  # fmt: skip
        elif inflated > limit:
            yield Refusal(
                path, "archive-ratio",
                f"The zip of {size} bytes declares {inflated} bytes, more than {limit}. "
                "Unpack it if it is to be trusted.",
                file=path, limit=limit, found=inflated,
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
            raise unreadable(error) from error

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


def _row_of(path: str, error: OSError | RuntimeError) -> Refusal:
    if not isinstance(error, OSError):  # a loop of links
        return _row(path, "link", _LINK)
    found = unreadable(error)
    return _row(path, found.reason, str(found))


def _row(path: str, reason: str, message: str) -> Refusal:
    return Refusal(path, reason, message)
