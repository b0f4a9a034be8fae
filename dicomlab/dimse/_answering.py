"""C-FIND as its provider: an identifier as a query, records as identifiers (PS3.4 C.4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dicomlab.catalog import Match, Query, Record, Value
from dicomlab.dimse._identifier import decode, encode, sets_for
from dicomlab.dimse._status import Status
from dicomlab.errors import DicomlabError, NonConformantError, RefusedError
from dicomlab.safety import Header
from dicomlab.standard import ITEM_KEYS, UNIQUE_KEY, Level, keyword_of, level_of, vr_of

_OWN: Final = frozenset((
    "QueryRetrieveLevel", "SpecificCharacterSet", "RetrieveAETitle", "InstanceAvailability",
    "TimezoneOffsetFromUTC",
))  # fmt: skip
_GROUPS: Final = range(0x0008, 0xFFFE)


class IdentifierError(DicomlabError):
    """An identifier that cannot be answered, and the status that says so."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Asked:
    """What a C-FIND asks.

    Attributes
    ----------
    keywords
        What each answer shall hold.
    ignores_keys
        Some keys cannot be matched here: answers say so by FF01.
    character_sets
        Specific Character Set of the identifier.
    """

    query: Query
    keywords: tuple[str, ...]
    ignores_keys: bool
    character_sets: tuple[str, ...]

    def answer(self, record: Record, aet: str, syntax: str) -> bytes:
        """Return the identifier of one answer."""
        values: dict[str, Value] = {keyword: record.get(keyword) for keyword in self.keywords}
        values["QueryRetrieveLevel"] = str(self.query.level)
        values["RetrieveAETitle"] = aet
        values["InstanceAvailability"] = "ONLINE"
        return encode(values, syntax, sets_for(self.character_sets))


def read_identifier(data: bytes, syntax: str, *, patient_root: bool) -> Asked:
    """Return what an identifier asks.

    Raises
    ------
    IdentifierError
        It asks nothing that can be answered.
    """
    header = _decoded(data, syntax)
    level = level_asked(header, patient_root=patient_root)
    matches: dict[str, Match] = {}
    ignores = False
    for tag in header.elements:
        keyword = keyword_of(tag)
        if keyword in _OWN or tag >> 16 not in _GROUPS:
            continue
        if keyword is None or level_of(keyword).depth > level.depth or not _is_known(keyword, tag):
            ignores = True
            continue
        matches[keyword] = _match(header, keyword, tag)
    try:
        query = Query.of(level, matches)
    except (ValueError, NonConformantError) as error:
        raise IdentifierError(Status.NOT_OF_SOP_CLASS, str(error)) from error
    keywords = tuple(dict.fromkeys((*matches, UNIQUE_KEY[level])))
    return Asked(query, keywords, ignores, header.character_sets)


def level_asked(header: Header, *, patient_root: bool) -> Level:
    """Return the Query/Retrieve Level of an identifier.

    Raises
    ------
    IdentifierError
        It has none, or its information model has no such level.
    """
    text = header.string("QueryRetrieveLevel") or ""
    level = Level.__members__.get(text)
    if level is None or (level is Level.PATIENT and not patient_root):
        raise IdentifierError(
            Status.NOT_OF_SOP_CLASS,
            "QueryRetrieveLevel (0008,0052) is missing or none of this information model's "
            "(PS3.4 C.6).",
        )
    return level


def unique_keys(data: bytes, syntax: str, *, patient_root: bool) -> tuple[Level, dict[str, Match]]:
    """Return what the identifier of a C-GET or C-MOVE names (PS3.4 C.4.2.2.1).

    Raises
    ------
    IdentifierError
        It names nothing.
    """
    header = _decoded(data, syntax)
    level = level_asked(header, patient_root=patient_root)
    matches: dict[str, Match] = {}
    for one, keyword in UNIQUE_KEY.items():
        values = header.strings(keyword)
        if one.depth <= level.depth and values:
            matches[keyword] = values[0] if keyword == "PatientID" else list(values)
    if UNIQUE_KEY[level] not in matches:
        raise IdentifierError(
            Status.NOT_OF_SOP_CLASS, f"{UNIQUE_KEY[level]} is missing from the identifier."
        )
    return level, matches


def _decoded(data: bytes, syntax: str) -> Header:
    try:
        return decode(data, syntax)
    except (NonConformantError, RefusedError) as error:
        raise IdentifierError(Status.CANNOT_UNDERSTAND, "The identifier cannot be read.") from error


def _is_known(keyword: str, tag: int) -> bool:
    return vr_of(tag) != "SQ" or keyword in ITEM_KEYS


def _match(header: Header, keyword: str, tag: int) -> Match:
    if vr_of(tag) != "SQ":
        return "\\".join(header.strings(keyword))
    inner: dict[str, Match] = {}
    for item in header.items(keyword):
        for key in ITEM_KEYS[keyword]:
            text = "\\".join(item.strings(key))
            if text:
                inner[key] = text
    return inner or None
