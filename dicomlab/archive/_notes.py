"""What is written down about a refused file: who needs it reads JSON beside its bytes."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from dicomlab.errors import NonConformantError, RefusedError
from dicomlab.safety import (
    DEFAULT_BOUNDS,
    Bounds,
    ByteSource,
    Refusal,
    UnreadableError,
    list_elements,
)
from dicomlab.standard import keyword_of, tag_of

_VERSION: Final = 1
_UID: Final = re.compile(r"[0-9.]{1,64}")
_UIDS: Final = tuple(
    tag_of(keyword)
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
)
_LONGEST_SOURCE: Final = 4096
_LISTED: Final = 2000


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file is refused.

    Attributes
    ----------
    reason, message
        Code and sentence.
    limit, found
        The bound that is broken, where there is one.
    """

    reason: str
    message: str
    limit: float | None = None
    found: float | None = None

    @classmethod
    def of(cls, error: NonConformantError | RefusedError | UnreadableError) -> Fault:
        """Return what an error says."""
        if isinstance(error, RefusedError):
            return cls(error.rule, str(error), error.limit, error.found)
        return cls(error.reason, str(error))

    @classmethod
    def of_refusal(cls, refusal: Refusal) -> Fault:
        """Return what the walk over files says."""
        return cls(refusal.reason, refusal.message, refusal.limit, refusal.found)


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """A refused file that is kept.

    Attributes
    ----------
    id
        The SHA-256 of its bytes.
    size
        How many there are.
    reason, message
        Why it was refused: a code for tables, and a sentence.
    limit, found
        The bound that it broke, ``None`` where the reason is no number.
    source
        Where it came from, as the import called it.
    received
        When it first came, in ISO 8601, UTC.
    is_container
        It is a zip or tar, refused as a whole.
    uids
        Of SOP class, instance, study and series, by keyword, as far as they could be read.
    """

    id: str
    size: int
    reason: str
    message: str
    source: str
    received: str
    limit: float | None = None
    found: float | None = None
    uids: Mapping[str, str] = field(default_factory=dict)
    is_container: bool = False

    def to_dict(self) -> dict[str, object]:
        """Return the entry for machines."""
        return {
            "id": self.id,
            "size": self.size,
            "reason": self.reason,
            "message": self.message,
            "limit": self.limit,
            "found": self.found,
            "source": self.source,
            "received": self.received,
            "uids": dict(self.uids),
            "container": self.is_container,
        }


def describe(
    source: ByteSource, sha256: str, path: str, fault: Fault, *, is_container: bool = False
) -> QuarantineEntry:
    """Return what is to be noted of a refused file."""
    return QuarantineEntry(
        id=sha256,
        size=source.size,
        reason=fault.reason,
        message=fault.message,
        source=path[:_LONGEST_SOURCE],
        received=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        limit=fault.limit,
        found=fault.found,
        uids={} if is_container else _uids(source),
        is_container=is_container,
    )


def _uids(source: ByteSource) -> dict[str, str]:
    """Return the UIDs of the data set that look like some; nothing else of it is noted."""
    found = {}
    for one in list_elements(source, limit=_LISTED).elements:
        if one.depth == 0 and one.tag in _UIDS and _UID.fullmatch(one.value):
            found[keyword_of(one.tag) or ""] = one.value
    return found


def write_note(entry: QuarantineEntry) -> bytes:
    """Return a note as it is kept."""
    return json.dumps({"version": _VERSION, **entry.to_dict()}, indent=1).encode()


def read_note(raw: bytes) -> QuarantineEntry:
    """Return what a note says.

    Raises
    ------
    ValueError, KeyError, TypeError
        It is none of ours.
    """
    said = json.loads(raw)
    if not isinstance(said, dict) or said.get("version") != _VERSION:
        raise ValueError("no note of this version")
    limit, found = said["limit"], said["found"]
    return QuarantineEntry(
        id=str(said["id"]),
        size=int(said["size"]),
        reason=str(said["reason"]),
        message=str(said["message"]),
        source=str(said["source"]),
        received=str(said["received"]),
        limit=None if limit is None else float(limit),
        found=None if found is None else float(found),
        uids={str(key): str(value) for key, value in dict(said["uids"]).items()},
        is_container=bool(said["container"]),
    )


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a content is in the archive that the usual ones would refuse.

    Attributes
    ----------
    bounds
        What it may ask for.
    waived
        Rules that do not hold for it.
    """

    bounds: Bounds
    waived: frozenset[str] = frozenset()

    @property
    def are_usual(self) -> bool:
        """Whether nothing about them is special."""
        return not self.waived and self.bounds == DEFAULT_BOUNDS


def write_terms(terms: Terms, entry: QuarantineEntry | None) -> bytes:
    """Return terms as they are kept, with the note of what was released under them."""
    usual = asdict(DEFAULT_BOUNDS)
    wider = {name: value for name, value in asdict(terms.bounds).items() if value != usual[name]}
    said = {
        "version": _VERSION,
        "bounds": wider,
        "waived": sorted(terms.waived),
        "released": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "note": None if entry is None else entry.to_dict(),
    }
    return json.dumps(said, indent=1).encode()


def read_terms(raw: bytes) -> Terms:
    """Return terms as they were kept.

    Raises
    ------
    ValueError, KeyError, TypeError
        These are none of ours.
    """
    said = json.loads(raw)
    if not isinstance(said, dict) or said.get("version") != _VERSION:
        raise ValueError("no terms of this version")
    known = asdict(DEFAULT_BOUNDS)
    wider = {name: int(value) for name, value in dict(said["bounds"]).items() if name in known}
    return Terms(Bounds(**wider), frozenset(map(str, said["waived"])))
