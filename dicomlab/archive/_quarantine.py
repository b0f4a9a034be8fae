"""The quarantine: files that were refused, kept as they came, to be looked at and released."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from html import escape
from pathlib import Path
from typing import Final

from dicomlab.archive import _files
from dicomlab.archive._audit import Audit
from dicomlab.archive._import import Walk
from dicomlab.archive._notes import QuarantineEntry, Terms
from dicomlab.archive._quarantine_files import QuarantineBounds, QuarantineFiles
from dicomlab.archive._report import SHORT_ID, ImportReport, Outcome
from dicomlab.archive._staging import look_at
from dicomlab.archive._store import translated
from dicomlab.errors import HostileInputError, NonConformantError, NotFoundError, StorageError
from dicomlab.safety import (
    DEFAULT_BOUNDS,
    WAIVABLE,
    Bounds,
    FileBytes,
    FileCandidate,
    Found,
    HexDump,
    Listing,
    find_candidates,
    list_elements,
    printable,
)

_ID: Final = re.compile(r"[0-9a-f]{6,64}")
_MOST_HEX: Final = 1 << 16
_BLOCK: Final = 1 << 20
_SHOWN: Final = 100

Importing = Callable[[Walk, Terms], ImportReport]
"""What brings what a walk finds into the archive, on terms."""


class Quarantine:
    """Refused files and why they were refused; iterate over it, or ask for one by its id.

    An id is the SHA-256 of the bytes; its first six digits or more will do where they tell it
    from others. Nothing here is ever opened by a name that a sender chose.

    Parameters
    ----------
    files, importing, audit
        Where they are, what brings them into the archive, and where that is recorded.
    """

    def __init__(self, files: QuarantineFiles, importing: Importing, audit: Audit) -> None:
        self.files = files
        self.importing = importing
        self.audit = audit

    @property
    def bounds(self) -> QuarantineBounds:
        """What it may take."""
        return self.files.bounds

    def list(self) -> list[QuarantineEntry]:
        """Return the entries, the oldest first."""
        _bytes, notes, _strange = self.files.names()
        entries = [entry for name in notes if (entry := self.files.entry(name)) is not None]
        return sorted(entries, key=lambda entry: (entry.received, entry.id))

    def __iter__(self) -> Iterator[QuarantineEntry]:
        return iter(self.list())

    def __len__(self) -> int:
        _bytes, notes, _strange = self.files.names()
        return len(notes)

    def entry(self, id: str) -> QuarantineEntry:  # noqa: A002  the public name of the argument
        """Return one entry.

        Raises
        ------
        NotFoundError
            There is none of this id, or several begin like it.
        StorageError
            Its note cannot be read.
        """
        found = self._find(id)
        entry = self.files.entry(found)
        if entry is None:
            raise StorageError(
                f"The note of {found[:SHORT_ID]} in quarantine cannot be read. Run: dicomlab "
                "archive check."
            )
        return entry

    def _find(self, start: str) -> str:
        """Return the whole of an id."""
        found = []
        if _ID.fullmatch(start) and self.files.note_of(start).is_file():
            return start
        if _ID.fullmatch(start):
            _bytes, notes, _strange = self.files.names()
            found = sorted(name for name in notes if name.startswith(start))
        if not found:
            raise NotFoundError(
                "The quarantine has no file of this id. An id has six hexadecimal digits or more: "
                "`dicomlab archive quarantine list` shows them."
            )
        if len(found) > 1:
            raise NotFoundError(f"{len(found)} ids begin like this one. Give more of its digits.")
        return found[0]

    def _open(self, id: str) -> FileBytes:  # noqa: A002
        with translated("Reading a file in quarantine"):
            return FileBytes(self.files.path_of(self._find(id)))

    def hex(self, id: str, offset: int = 0, length: int = 512) -> HexDump:  # noqa: A002
        """Return a stretch of a file's bytes, to be looked at.

        Parameters
        ----------
        id
            Which file.
        offset, length
            Which stretch of it, 65,536 bytes at the most.
        """
        if offset < 0 or not 0 <= length <= _MOST_HEX:
            raise ValueError(f"offset must be 0 or more, and length from 0 to {_MOST_HEX}")
        with self._open(id) as source, translated("Reading a file in quarantine"):
            return HexDump(offset, source.read_at(offset, length))

    def tags(
        self,
        id: str,  # noqa: A002
        *,
        limit: int = 10_000,
        bounds: Bounds = DEFAULT_BOUNDS,
    ) -> Listing:
        """Return the elements of a file, as far as they can be walked, and why not further.

        Parameters
        ----------
        id
            Which file.
        limit, bounds
            How many elements are listed, and how deep.
        """
        with self._open(id) as source, translated("Reading a file in quarantine"):
            return list_elements(source, bounds=bounds, limit=limit)

    def release(
        self,
        id: str,  # noqa: A002
        *,
        bounds: Bounds = DEFAULT_BOUNDS,
        waive: Collection[str] = (),
    ) -> ImportReport:
        """Bring a file into the archive, on wider terms; then it is no longer in quarantine.

        The terms stay with the file, so that an index can be made anew from it.

        Parameters
        ----------
        id
            Which file. A zip or tar that was refused as a whole is imported member by member.
        bounds
            What it may ask for.
        waive
            Rules that shall not hold for it: ``"executable-preamble"``; ``"truncated"`` and
            ``"damaged-pixel-data"`` where only pixels are missing, which then cannot be shown.

        Returns
        -------
        ImportReport
            What became of it, or of each member.

        Raises
        ------
        NonConformantError
            It cannot be an instance on any terms: it cannot be read, or lacks UIDs.
        HostileInputError
            It breaks a bound or a rule that was not waived.
        RefusedError
            There is no room in the archive.
        NotFoundError
            There is no such file.
        """
        if unknown := sorted(set(waive) - WAIVABLE):
            known = ", ".join(sorted(WAIVABLE))
            raise ValueError(f"{unknown[0]!r} cannot be waived; these can: {known}")
        entry = self.entry(id)
        terms = Terms(bounds, frozenset(waive))
        path = self.files.path_of(entry.id)
        if self.files.sha256_of(entry.id) != entry.id:
            raise StorageError(
                f"The bytes of {entry.id[:SHORT_ID]} in quarantine are missing or damaged. "
                "Import the file again."
            )
        with self.audit.releasing(entry):
            return self._release(entry, path, terms)

    def _release(self, entry: QuarantineEntry, path: Path, terms: Terms) -> ImportReport:
        if not entry.is_container:
            with translated("Reading a file in quarantine"), FileBytes(path) as source:
                look_at(source, entry.id, terms.bounds, terms.waived)

        def walk(contents: bool) -> Iterator[Found]:  # noqa: FBT001  a `Walk`
            if entry.is_container:
                return find_candidates([path], terms.bounds, contents=contents)
            return iter([FileCandidate(str(path), entry.size)])

        report = self.importing(walk, terms)
        for row in report.of(Outcome.REFUSED):
            # Members of a container may be refused for themselves: they have rows of their own.
            if row.path == str(path):
                raise _typed(row.reason, row.message)
        if report.interrupted:
            return report
        self.files.remove(entry.id)
        for at, row in enumerate(report.rows):
            report.rows[at] = row.under(str(path), entry.source)
        return report

    def save(self, id: str, path: str | os.PathLike[str]) -> Path:  # noqa: A002
        """Write a file's bytes to a new file, which only its owner may read; return its path.

        Raises
        ------
        StorageError
            There is something of that name already, or it cannot be written or read.
        """
        target = Path(path).expanduser()
        with self._open(id) as source, translated("Saving a file of the quarantine"):
            descriptor = _files.create(target)
            try:
                for offset in range(0, source.size, _BLOCK):
                    _files.write(descriptor, source.read_at(offset, _BLOCK))
            except BaseException:
                target.unlink()
                raise
            finally:
                os.close(descriptor)
        return target

    def discard(self, id: str) -> QuarantineEntry:  # noqa: A002
        """Delete a file from the quarantine for good; return what was noted of it.

        Raises
        ------
        NotFoundError
            There is no such file.
        """
        entry = self.entry(id)
        with self.audit.discarding(entry):
            self.files.remove(entry.id)
        return entry

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} refused files>"

    def _repr_html_(self) -> str:
        entries = self.list()
        head = "".join(f"<th>{name}</th>" for name in ("id", "reason", "size", "received", "from"))
        rows = "".join(
            f"<tr><td><code>{one.id[:SHORT_ID]}</code></td>"
            f'<td title="{escape(printable(one.message))}">{escape(printable(one.reason))}</td>'
            f"<td>{one.size}</td><td>{escape(printable(one.received))}</td>"
            f"<td><code>{escape(printable(one.source))}</code></td></tr>"
            for one in entries[:_SHOWN]
        )
        more = f"<p>and {len(entries) - _SHOWN} more</p>" if len(entries) > _SHOWN else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"


def _typed(reason: str, message: str) -> NonConformantError | HostileInputError:
    """Return a refusal of the import as the error that it is."""
    if reason in ("archive-entries", "archive-ratio", "tar-header", "quota", "disk"):
        return HostileInputError(message, rule=reason)
    return NonConformantError(message, reason=reason)
