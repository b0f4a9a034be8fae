"""Normal forms: what two values are compared by (PS3.4 C.2.2.2.1).

An index that keeps the normal form of each value answers queries by plain comparison: every
criterion carries its own values in the same form.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from functools import lru_cache
from math import isfinite
from typing import Final

DATE_TIME_VRS: Final = frozenset(("DA", "TM", "DT"))
NUMBER_VRS: Final = frozenset(
    ("IS", "DS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD")
)  # fmt: skip
WILDCARD_VRS: Final = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
ONE_VALUE_VRS: Final = frozenset(("LT", "ST", "UT", "UR"))

_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")
# As ACR-NEMA wrote dates (PS3.5 6.2 still allows to read them), and ISO 8601.
_OLD_DATE = re.compile(r"\d{4}([.-])\d{2}\1\d{2}")
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?")
_DATE_TIME = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?)?)?)?"
    r"(?:[+-]\d{4})?"
)
# Letters that Unicode does not decompose, though readers see a plain letter with a mark.
_STROKES = str.maketrans({
    "ø": "o", "đ": "d", "ł": "l", "ħ": "h", "ŧ": "t", "\u0131": "i", "æ": "ae", "œ": "oe",
})  # fmt: skip


def normal_form(vr: str, value: str | float) -> str | float:
    """Return what a single value is compared by.

    - DA is ``YYYYMMDD``, TM ``HHMMSS.FFFFFF``, DT both together; parts left out count as their
      earliest. The offset from UTC is not applied: clocks are compared as they are written.
    - IS, DS and the binary numbers are numbers (PS3.4 leaves that open; ``"+7"`` is 7 here).
    - CS is in upper case, UI without padding; PN is folded as `name_forms` says, with ``=`` between
      its component groups. All other text is compared as it stands, without outer spaces.
    - Nonsense (a date that is none) is ``"!"`` and the text, which no range holds.
    """
    if isinstance(value, int | float):
        return float(value) if vr in NUMBER_VRS else str(value)
    text = value.strip(" \0")
    if vr in NUMBER_VRS:
        return _number(text)
    if vr in DATE_TIME_VRS:
        return earliest(vr, text) or "!" + text
    if vr == "PN":
        return "=".join(map(fold_name, text.split("=")))
    return text.upper() if vr == "CS" else text


def _number(text: str) -> str | float:
    try:
        number = float(text)
    except ValueError:
        return "!" + text
    return number if isfinite(number) else "!" + text


@lru_cache(maxsize=4096)
def fold_name(group: str) -> str:
    """Return one component group of a person name without case, diacritics and padding.

    Trailing empty components and spaces around components go (PS3.5 6.2.1); so do the marks of
    Latin, Greek and Cyrillic letters. Marks that make another letter, as in Kana, stay.
    """
    text = unicodedata.normalize("NFKD", group).casefold()
    plain = "".join(
        char for char in unicodedata.normalize("NFKD", text) if not "\u0300" <= char <= "\u036f"
    )
    composed = unicodedata.normalize("NFC", plain).translate(_STROKES)
    return "^".join(part.strip(" \0") for part in composed.split("^")).rstrip("^")


def name_forms(text: str) -> tuple[str, ...]:
    """Return the folded component groups of a person name: alphabetic, ideographic, phonetic."""
    return tuple(map(fold_name, text.split("=")))


def earliest(vr: str, text: str) -> str | None:
    """Return the first instant that a DA, TM or DT text names, ``None`` if it names none."""
    return _instant(vr, text, last=False)


def latest(vr: str, text: str) -> str | None:
    """Return the last instant that a DA, TM or DT text names, ``None`` if it names none."""
    return _instant(vr, text, last=True)


@lru_cache(maxsize=8192)
def _instant(vr: str, text: str, *, last: bool) -> str | None:
    if vr == "DA" and _OLD_DATE.fullmatch(text):
        text = text[:4] + text[5:7] + text[8:]
    found = {"DA": _DATE, "TM": _TIME, "DT": _DATE_TIME}[vr].fullmatch(text)
    if found is None:
        return None
    parts = found.groups()
    date = "" if vr == "TM" else _day(parts[:3], last=last)
    clock = "" if vr == "DA" else _clock(parts[-4:], last=last)
    return None if date is None or clock is None else date + clock


def _day(parts: tuple[str | None, ...], *, last: bool) -> str | None:
    year, month, day = parts
    try:
        first = dt.date(int(year or 0), int(month or (12 if last else 1)), int(day or 1))
        if last and day is None:
            following = (first.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
            first = following - dt.timedelta(days=1)
    except (ValueError, OverflowError):
        # The last month of year 9999 has no following one.
        return f"{year}1231" if year == "9999" and last and day is None else None
    return f"{first.year:04d}{first.month:02d}{first.day:02d}"


def _clock(parts: tuple[str | None, ...], *, last: bool) -> str | None:
    hour, minute, second = (
        text or limit
        for text, limit in zip(parts, ("23", "59", "59") if last else ("00",) * 3, strict=False)
    )
    fraction = (parts[3] or "").ljust(6, "9" if last else "0")
    # PS3.5 6.2: 60 is a leap second.
    if hour > "23" or minute > "59" or second > "60":
        return None
    return f"{hour}{minute}{second}.{fraction}"
