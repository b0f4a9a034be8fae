"""Does the quarantine hold what it says? Bytes against their names, notes against bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dicomlab.archive._findings import CheckRow, Problem
from dicomlab.archive._notes import Fault, describe
from dicomlab.archive._quarantine_files import Held, QuarantineFiles
from dicomlab.archive._staging import look_at
from dicomlab.errors import NonConformantError, RefusedError
from dicomlab.safety import DEFAULT_BOUNDS, FileBytes

_FOUND = Fault(
    "without-note",
    "It lay in the quarantine without a note, and nothing is wrong with it now. Release it.",
)
_UNKNOWN_SOURCE = "(found in the quarantine)"


def check_quarantine(files: QuarantineFiles) -> Iterator[CheckRow]:
    """Yield what is wrong with entries of the quarantine."""
    there, noted, strange = files.names()
    for name in strange:
        yield CheckRow(Problem.STRANGE, name)
    for sha256 in sorted(there | noted):
        name = files.name_of(sha256)
        if sha256 not in there:
            if files.note_of(sha256).exists():  # else it was released meanwhile
                yield CheckRow(Problem.QUARANTINE_MISSING, name)
            continue
        found = files.sha256_of(sha256)
        if found == sha256:
            if files.entry(sha256) is None and files.path_of(sha256).exists():
                yield CheckRow(Problem.QUARANTINE_UNNOTED, name)
        elif files.path_of(sha256).exists():
            yield CheckRow(Problem.QUARANTINE_DAMAGED, name)


def note_again(files: QuarantineFiles, sha256: str, folder: Path) -> None:
    """Write the note of whole bytes that have none, from the bytes themselves.

    Parameters
    ----------
    folder
        Where temporary files go.
    """
    path = files.path_of(sha256)
    with FileBytes(path) as source:
        try:
            look_at(source, sha256, DEFAULT_BOUNDS)
        except (NonConformantError, RefusedError) as error:
            fault = Fault.of(error)
        else:
            fault = _FOUND
        entry = describe(source, sha256, _UNKNOWN_SOURCE, fault)
    files.take_in([Held(entry, path)], folder)
