"""DICOM values as a reader of a page wants them; the templates escape them."""

from __future__ import annotations

from collections.abc import Mapping

from dicomlab.catalog import Value

__all__ = ["date", "other_writing", "person", "several", "text"]


def text(value: Value) -> str:
    """Return a value in one line."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(several(value))
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else str(value)


def several(value: Value) -> tuple[str, ...]:
    """Return each value of an attribute."""
    parts = value if isinstance(value, tuple) else (value,)
    return tuple(
        text(part) for part in parts if part not in (None, "") and not isinstance(part, Mapping)
    )


def person(value: Value) -> str:
    """Return a person's name as it is spoken: family name, then the others (PS3.5 6.2.1).

    Of the component groups the first that says something counts.
    """
    return next(iter(_spoken(value)), "")


def other_writing(value: Value) -> str:
    """Return the component groups that `person` leaves out: a name in Kanji and in Kana, say."""
    return " · ".join(_spoken(value)[1:])


def _spoken(value: Value) -> list[str]:
    found = []
    for group in text(value).split("="):
        family, *others = (part.strip() for part in group.split("^"))
        parts = (family, " ".join(part for part in others if part))
        found.append(", ".join(part for part in parts if part))
    return [name for name in found if name]


def date(value: Value) -> str:
    """Return a date (DA) as 2024-01-31; what is none stays as it is."""
    written = text(value)
    digits = written.replace(".", "") if len(written) == 10 else written
    if len(digits) == 8 and digits.isascii() and digits.isdigit():
        return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
    return written
