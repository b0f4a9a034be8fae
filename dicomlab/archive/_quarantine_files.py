"""The files of the quarantine: bytes under their SHA-256, and a note that makes them an entry."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dicomlab.archive import _files
from dicomlab.archive._incoming import write_temporary
from dicomlab.archive._notes import (
    QuarantineEntry,
    Terms,
    read_note,
    read_terms,
    write_note,
    write_terms,
)
from dicomlab.archive._store import translated
from dicomlab.safety import FileBytes

_NAME: Final = re.compile(r"([0-9a-f]{64})\.(bin|json)")
_LONGEST_NOTE: Final = 1 << 20
_SYNCS_AT_ONCE: Final = 4
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class QuarantineBounds:
    """What the quarantine may take; beyond it nothing is evicted, and the import says so.

    Attributes
    ----------
    bytes
        All kept files together.
    file_bytes
        One file.
    entries
        How many files.
    """

    bytes: int = 1 << 30
    file_bytes: int = 256 << 20
    entries: int = 100_000


@dataclass(frozen=True, slots=True)
class Held:
    """A refused file on its way in: its note, and where its bytes are until then."""

    entry: QuarantineEntry
    temporary: Path


class QuarantineFiles:
    """A folder of files that no sender can name: ``….bin`` and ``….json`` of each entry.

    The bytes come first and the note after them, so that what has a note is whole.

    Parameters
    ----------
    folder, bounds
        Where it is, and what it may take.
    told
        Called with entries once they are there for good.
    """

    def __init__(
        self,
        folder: Path,
        bounds: QuarantineBounds,
        *,
        told: Callable[[Sequence[QuarantineEntry]], None] | None = None,
    ) -> None:
        self.bounds = bounds
        self._told = told
        self._folder = folder
        self._released = folder / "released"

    def path_of(self, sha256: str) -> Path:
        """Return where the bytes of an entry are or would be."""
        return self._folder / f"{sha256}.bin"

    def name_of(self, sha256: str) -> str:
        """Return the name of an entry's bytes below the archive's folder."""
        return f"{self._folder.name}/{sha256}.bin"

    def note_of(self, sha256: str) -> Path:
        """Return where the note of an entry is or would be."""
        return self._folder / f"{sha256}.json"

    def names(self) -> tuple[set[str], set[str], list[str]]:
        """Return the hashes that have bytes, those that have a note, and other names."""
        found: dict[str, set[str]] = {"bin": set(), "json": set()}
        strange = []
        with translated("Listing the quarantine"):
            for entry in _entries(self._folder):
                named = _NAME.fullmatch(entry.name)
                if named is not None and entry.is_file(follow_symlinks=False):
                    found[named[2]].add(named[1])
                elif entry.name != self._released.name:
                    strange.append(f"{self._folder.name}/{entry.name}")
        return found["bin"], found["json"], sorted(strange)

    def holds(self, sha256: str) -> bool:
        """Whether there is an entry, with bytes and note."""
        return self.note_of(sha256).is_file() and self.path_of(sha256).is_file()

    def entry(self, sha256: str) -> QuarantineEntry | None:
        """Return what the note says, ``None`` where there is none that can be read."""
        try:
            with FileBytes(self.note_of(sha256)) as source:
                entry = read_note(source.read_at(0, _LONGEST_NOTE))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return entry if entry.id == sha256 else None

    def sha256_of(self, sha256: str) -> str | None:
        """Return the hash of the bytes that are there, ``None`` where they cannot be read."""
        digest = hashlib.sha256()
        try:
            with FileBytes(self.path_of(sha256)) as source:
                for offset in range(0, source.size, _BLOCK):
                    digest.update(source.read_at(offset, _BLOCK))
        except OSError:
            return None
        return digest.hexdigest()

    def used(self) -> tuple[int, int]:
        """Return how many entries there are, and how many bytes they take, notes included."""
        with translated("Listing the quarantine"):
            sizes = [
                (entry.name, entry.stat(follow_symlinks=False).st_size)
                for entry in _entries(self._folder)
                if _NAME.fullmatch(entry.name)
            ]
        return sum(name.endswith(".bin") for name, _ in sizes), sum(size for _, size in sizes)

    def stamp(self) -> int:
        """Return what changes whenever a file comes or goes."""
        try:
            return self._folder.stat().st_mtime_ns
        except OSError:
            return 0

    def take_in(self, held: Iterable[Held], folder: Path) -> None:
        """Make entries of refused files; when this returns, they are there for good.

        Parameters
        ----------
        folder
            Where temporary files go, on the disk of the quarantine.
        """
        each = {one.entry.id: one for one in held}
        bytes_ = [(one.temporary, self.path_of(sha256)) for sha256, one in each.items()]
        notes = [
            (write_temporary(folder, [write_note(one.entry)]), self.note_of(sha256))
            for sha256, one in each.items()
        ]
        self._move(self._folder, bytes_)
        self._move(self._folder, notes)
        if self._told is not None:
            self._told([one.entry for one in each.values()])

    def note_terms(self, terms: Mapping[str, Terms], folder: Path) -> None:
        """Write down on which terms contents are in the archive; then they are there for good."""
        self._move(
            self._released,
            [
                (write_temporary(folder, [write_terms(one, self.entry(sha256))]),
                 self._released / f"{sha256}.json")
                for sha256, one in terms.items()
            ],
        )  # fmt: skip

    def released(self) -> list[str]:
        """Return the contents that are in the archive on terms of their own."""
        names = (entry.name for entry in _entries(self._released))
        return [found[1] for name in names if (found := _NAME.fullmatch(name))]

    def terms(self, sha256: str) -> Terms | None:
        """Return on which terms a content is in the archive, ``None`` for the usual ones."""
        try:
            with FileBytes(self._released / f"{sha256}.json") as source:
                return read_terms(source.read_at(0, _LONGEST_NOTE))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    @staticmethod
    def _move(folder: Path, moves: list[tuple[Path, Path]]) -> None:
        with translated("Writing into the quarantine"):
            _files.make_folder(folder)
            with ThreadPoolExecutor(_SYNCS_AT_ONCE, "dicomlab-sync") as pool:
                _files.move_durably(moves, pool)

    def remove(self, sha256: str) -> None:
        """Remove an entry: first its note, so that no part of it claims to be whole."""
        with translated("Removing from the quarantine"):
            for path in (self.note_of(sha256), self.path_of(sha256)):
                path.unlink(missing_ok=True)
            _files.sync_folder(self._folder)


class QuarantineRoom:
    """What one import may still put into the quarantine."""

    def __init__(self, files: QuarantineFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._used: tuple[int, int] | None = None
        self._stamp = 0

    def too_long(self, size: int) -> str:
        """Return why a file of so many bytes is never kept, ``""`` where it may be."""
        most = self._files.bounds.file_bytes
        if size <= most:
            return ""
        return (
            f"It has {size:,} bytes, and the quarantine keeps files up to {most:,}. "
            "Raise quarantine_file_bytes to keep it."
        )

    def refuses(self, size: int) -> str:
        """Count a file that is to be kept; return why it cannot be, ``""`` where it can."""
        bounds = self._files.bounds
        if why := self.too_long(size):
            return why
        with self._lock:
            entries, used = self._count(size)
            if entries >= bounds.entries or used + size > bounds.bytes:
                return (
                    f"The quarantine is full: {entries:,} files and {used:,} bytes, of "
                    f"{bounds.entries:,} and {bounds.bytes:,}. Release or discard some, or raise "
                    "quarantine_bytes."
                )
            self._used = (entries + 1, used + size)
        return ""

    def _count(self, size: int) -> tuple[int, int]:
        """Return what is taken; counted again when it is full and somebody has made room since."""
        bounds = self._files.bounds
        if self._used is not None:
            entries, used = self._used
            is_full = entries >= bounds.entries or used + size > bounds.bytes
            if not is_full or self._files.stamp() == self._stamp:
                return self._used
        self._stamp = self._files.stamp()
        self._used = self._files.used()
        return self._used


def _entries(folder: Path) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
