"""Look-ups in the data dictionary and the UID registry (PS3.6)."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from dicomlab.errors import NotFoundError
from dicomlab.standard._attributes import ATTRIBUTES
from dicomlab.standard._uids import UIDS

_KEYWORDS = {row[0]: keyword for keyword, row in ATTRIBUTES.items()}


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row of the data dictionary (PS3.6 chapter 6)."""

    tag: int
    keyword: str
    vr: str
    vm: str
    name: str


def attribute(keyword: str) -> Attribute:
    """Return the attribute of a keyword, or say which keywords are near (PS3.6 chapter 6).

    Raises
    ------
    NotFoundError
        No attribute has this keyword.
    """
    row = ATTRIBUTES.get(keyword)
    if row is None:
        near = get_close_matches(keyword, ATTRIBUTES, n=3, cutoff=0.75)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise NotFoundError(f"{keyword!r} is no DICOM keyword (PS3.6 chapter 6).{hint}")
    tag, vr, vm, name = row
    return Attribute(tag, keyword, vr, vm, name)


def attribute_at(tag: int) -> Attribute | None:
    """Return the attribute of a tag, ``None`` for a private or unknown one."""
    keyword = _KEYWORDS.get(tag)
    return None if keyword is None else attribute(keyword)


def tag_of(keyword: str) -> int:
    """Return the tag of a keyword, as one integer 0xGGGGEEEE."""
    row = ATTRIBUTES.get(keyword)
    return row[0] if row is not None else attribute(keyword).tag


def keyword_of(tag: int) -> str | None:
    """Return the keyword of a tag, ``None`` for a private or unknown one."""
    return _KEYWORDS.get(tag)


def vr_of(tag: int) -> str:
    """Return the dictionary's VR of a tag; ``"UN"`` where it has none (PS3.5 6.2.2).

    Of the pairs that depend on other attributes (``"US or SS"``, ``"OB or OW"``) the whole text is
    returned; group lengths are ``"UL"``, private creators ``"LO"`` (PS3.5 7.2 and 7.8.1).
    """
    keyword = _KEYWORDS.get(tag)
    if keyword is not None:
        return ATTRIBUTES[keyword][1]
    if tag & 0xFFFF == 0:
        return "UL"
    if tag & 0x10000 and 0x10 <= tag & 0xFFFF <= 0xFF:
        return "LO"
    # Repeating groups: curves (50xx, retired) and overlays (60xx) share group 6000's entries.
    if tag >> 24 in (0x50, 0x60) and not tag & 0x10000:
        base = _KEYWORDS.get(tag & 0xFF00FFFF)
        if base is not None:
            return ATTRIBUTES[base][1]
    return "UN"


def tag_text(tag: int) -> str:
    """Return a tag as the standard writes it, ``"(0010,0020)"``."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _is_storage(name: str, kind: str) -> bool:
    return kind == "SOP Class" and "Storage" in name and not name.startswith(_NO_STORAGE)


_NO_STORAGE = ("Media Storage", "Storage Commitment", "Stored Print", "Hardcopy")
STORAGE_CLASSES = tuple(uid for uid, (name, kind, _) in UIDS.items() if _is_storage(name, kind))
"""The SOP classes of instances, retired ones too: what can be stored (PS3.4 B.5, PS3.6 A)."""


def uid_name(uid: str) -> str | None:
    """Return the registered name of a UID (PS3.6 annex A), ``None`` if it has none."""
    row = UIDS.get(uid)
    return row[0] if row else None


def sop_class_name(uid: str) -> str:
    """Return a SOP Class's name, or the UID itself for one that is not registered."""
    return uid_name(uid) or uid
