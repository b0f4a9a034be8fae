"""What the DICOMDIR of a file-set promises, held against the files that are there (PS3.10 8).

The files count, whatever a DICOMDIR says of them: they are found by walking its folder. A DICOMDIR
can only add that one is missing, so no name in it ever opens a file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Final

from dicomlab.errors import HostileInputError, NonConformantError
from dicomlab.safety._bounds import Bounds
from dicomlab.safety._bytes import FileBytes
from dicomlab.safety._file import read_header
from dicomlab.safety._header import Header
from dicomlab.safety._refusal import Refusal
from dicomlab.standard import tag_of

_RECORDS: Final = tag_of("DirectoryRecordSequence")
_FIRST: Final = "OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity"
_NEXT: Final = "OffsetOfTheNextDirectoryRecord"
_LOWER: Final = "OffsetOfReferencedLowerLevelDirectoryEntity"
_INACTIVE: Final = 0
_NOWHERE: Final = -1
_SEPARATOR: Final = re.compile(r"[/\\]")
_VERSION: Final = re.compile(r"\.?(;\d+)?$")

_SAVED: Final = "The files of its folder were looked at one by one, so none is lost by that."
_OUTSIDE: Final = (
    "outside-file-set",
    (
        "The DICOMDIR names a file outside its own folder (PS3.10 8.2), by a path upwards, an "
        "absolute one or a link. It was not touched: name it by its own path if it is wanted."
    ),
)
_MISSING: Final = (
    "missing-file",
    (
        "The DICOMDIR lists this file, but it is not there. The copy may be incomplete: copy the "
        "medium again."
    ),
)
_DAMAGED: Final = "damaged-directory"
_LOOP: Final = f"Records of the DICOMDIR lead back to themselves (PS3.3 F.2). {_SAVED}"
_LOST: Final = (
    f"Offsets of the DICOMDIR lead to no record, or to not every one (PS3.3 F.2). {_SAVED}"
)


def is_directory_name(path: str) -> bool:
    """Say whether a file's name is that of a DICOMDIR, as discs and their copies write it."""
    return _plain(path.rpartition(os.sep)[2]) == "dicomdir"


def check_file_set(path: str, bounds: Bounds) -> Iterator[Refusal]:
    """Yield what a DICOMDIR promises and its folder does not hold; nothing where it is none.

    No file is opened but the DICOMDIR, and no folder is listed but its own and those below it.
    """
    try:
        with FileBytes(path) as source:
            header = read_header(source, bounds=bounds)
    except (NonConformantError, HostileInputError, OSError):
        # What is wrong with the file is said where it is looked at like any other.
        return
    if _RECORDS not in header.elements:
        return
    try:
        records = dict(header.placed_items(_RECORDS))
        broken = _broken_links(header, records)
        names = _file_ids(records.values())
    except (NonConformantError, HostileInputError) as error:
        yield Refusal(path, _DAMAGED, f"{error} {_SAVED}", file=path)
        return
    if broken is not None:
        yield Refusal(path, _DAMAGED, broken, file=path)
    tree = _Tree(os.path.dirname(path))  # noqa: PTH120  a Path for each file is slow
    for name in names:
        problem = tree.problem(name)
        if problem is not None:
            kept = path if problem is _OUTSIDE else None
            yield Refusal(f"{path}!/{'/'.join(name)}", *problem, file=kept)


def _broken_links(header: Header, records: dict[int, Header]) -> str | None:
    """Return what is wrong with the offsets between records, ``None`` if they form one tree."""
    ahead = [_offset(header, _FIRST)]
    seen: set[int] = set()
    while ahead:
        offset = ahead.pop()
        if offset == 0:
            continue
        if offset in seen:
            return _LOOP
        record = records.get(offset)
        if record is None:
            return _LOST
        seen.add(offset)
        ahead += [_offset(record, _NEXT), _offset(record, _LOWER)]
    active = {offset for offset, record in records.items() if _is_active(record)}
    return _LOST if active - seen else None


def _offset(record: Header, keyword: str) -> int:
    found = next(iter(record.numbers(keyword)), 0)
    return int(found) if isfinite(found) else _NOWHERE


def _is_active(record: Header) -> bool:
    return _INACTIVE not in record.numbers("RecordInUseFlag")


def _file_ids(records: Iterable[Header]) -> list[tuple[str, ...]]:
    """Return the files that records in use refer to, each once; some write slashes."""
    values = (record.strings("ReferencedFileID") for record in records if _is_active(record))
    found = (tuple(part for one in parts for part in _SEPARATOR.split(one)) for parts in values)
    return list(dict.fromkeys(one for one in found if one))


class _Tree:
    """The names in a folder and below it, each folder listed once."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._real_root = os.path.realpath(root).rstrip(os.sep) + os.sep
        self._folders: dict[str, dict[str, os.DirEntry[str]]] = {}

    def problem(self, file_id: tuple[str, ...]) -> tuple[str, str] | None:
        """Return why a file cannot be the one that is meant, ``None`` where it is there."""
        if any(part in ("", ".", "..") or "\0" in part for part in file_id):
            return _OUTSIDE
        place = self._root
        for part in file_id:
            entry = self._entry(place, part)
            if entry is None:
                return _MISSING
            place = entry.path
            if entry.is_symlink():
                place = os.path.realpath(place)
                if not place.startswith(self._real_root):
                    return _OUTSIDE
        return None if os.path.isfile(place) else _MISSING  # noqa: PTH113  a Path each is slow

    def _entry(self, folder: str, name: str) -> os.DirEntry[str] | None:
        """Return what a folder has under a name; copies of discs change case and add versions."""
        entries = self._folders.get(folder)
        if entries is None:
            entries = self._folders[folder] = _listing(folder)
        return entries.get(name) or entries.get(_plain(name))


def _listing(folder: str) -> dict[str, os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return {}
    return {_plain(entry.name): entry for entry in entries} | {
        entry.name: entry for entry in entries
    }


def _plain(name: str) -> str:
    """Return a name without case, and without what ISO 9660 puts at its end."""
    return _VERSION.sub("", name.casefold())
