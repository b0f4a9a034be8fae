"""What an attribute must match, parsed once (PS3.4 C.2.2.2)."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from numbers import Integral, Real
from typing import TypeAlias

from dicomlab.catalog._normal import (
    DATE_TIME_VRS,
    NUMBER_VRS,
    ONE_VALUE_VRS,
    WILDCARD_VRS,
    earliest,
    fold_name,
    latest,
    normal_form,
)
from dicomlab.standard import Attribute, attribute, tag_text

Scalar: TypeAlias = str | int | float | dt.date | dt.time
Match: TypeAlias = (
    Scalar
    | slice
    | tuple[Scalar | None, Scalar | None]
    | Iterable[Scalar]
    | Mapping[str, "Match"]
    | None
)
"""What a caller may ask of one attribute; `dicomlab.catalog.Query` explains each."""


@dataclass(frozen=True, slots=True)
class Universal:
    """Everything matches, also what has no value; the attribute is asked for (C.2.2.2.3)."""


@dataclass(frozen=True, slots=True)
class Empty:
    """Only what has no value matches (Empty Value Matching)."""


@dataclass(frozen=True, slots=True)
class Equals:
    """Single value matching (C.2.2.2.1).

    Attributes
    ----------
    text
        As a request carries it.
    key
        Its normal form.
    """

    text: str = field(compare=False)
    key: str | float


@dataclass(frozen=True, slots=True)
class Wildcard:
    """``*`` stands for any text, also none, ``?`` for one character (C.2.2.2.4).

    Attributes
    ----------
    text
        As a request carries it.
    pattern
        Its normal form, with the same signs.
    """

    text: str = field(compare=False)
    pattern: str


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`, both included (C.2.2.2.5).

    A bound that leaves parts out covers all that it names: ``-11`` ends at 11:59:59.999999.

    Attributes
    ----------
    text
        As a request carries it, empty for numbers: the standard has no range for them.
    low, high
        Normal forms, ``None`` where open. A value that is nonsense is in no range: its normal form
        begins with ``!``, so compare with `low` or ``"0"``.
    """

    text: str = field(compare=False)
    low: str | float | None
    high: str | float | None


@dataclass(frozen=True)
class AnyOf:
    """At least one of several matches (C.2.2.2.2 for UIDs, Multiple Value Matching for others).

    Attributes
    ----------
    criteria
        None at all matches nothing. Several may share one `text` (``DOE^*`` also means DOE alone):
        a request carries each text once.
    """

    criteria: tuple[One, ...]
    keys: frozenset[str | float] = field(init=False, compare=False, repr=False)
    """The normal forms of those that are single values."""

    def __post_init__(self) -> None:
        keys = frozenset(one.key for one in self.criteria if isinstance(one, Equals))
        object.__setattr__(self, "keys", keys)


@dataclass(frozen=True, slots=True)
class NameGroups:
    """A person name with ``=``: each group of the value matches the group in the same place.

    Attributes
    ----------
    text
        As a request carries it.
    groups
        Alphabetic, ideographic, phonetic; `Universal` where the request leaves one out.
    """

    text: str = field(compare=False)
    groups: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """At least one item of the sequence matches all of it (C.2.2.2.6)."""

    criteria: Mapping[str, Criterion]


One: TypeAlias = Empty | Equals | Wildcard | Range | NameGroups
Criterion: TypeAlias = Universal | One | AnyOf | Items

EMPTY_TEXT = '""'
"""How a request asks for what has no value."""


def parse(keyword: str, match: Match) -> Criterion:
    """Return what a caller asked of an attribute as a criterion.

    A range that ends before it begins is left for `check_order` to refuse: times may, where each
    end belongs to a date of its own.

    Raises
    ------
    NotFoundError
        No attribute has this keyword.
    ValueError
        The attribute's VR cannot be matched so, or the text has not the form of its VR.
    """
    key = attribute(keyword)
    if key.vr == "SQ":
        return _parse_sequence(key, match)
    if isinstance(match, Mapping):
        raise _wrong(key, "takes no mapping: only a sequence does")
    if isinstance(match, slice):
        if match.step is not None:
            raise _wrong(key, "takes a slice without a step")
        return _parse_range(key, match.start, match.stop)
    if isinstance(match, tuple) and key.vr in DATE_TIME_VRS | NUMBER_VRS:
        if len(match) != 2:
            raise _wrong(
                key, "takes a tuple of two, the first and the last; give a list for any of several"
            )
        return _parse_range(key, *match)
    if isinstance(match, str) and "\\" in match and key.vr not in ONE_VALUE_VRS:
        return _parse_list(key, match.split("\\"))
    if match is None or isinstance(match, str | Real | dt.date | dt.time):
        return _parse_scalar(key, match)
    if isinstance(match, Iterable) and not isinstance(match, bytes):
        return _parse_list(key, match)
    raise _wrong(key, f"cannot be matched with a {type(match).__name__}")


def _wrong(key: Attribute, why: str) -> ValueError:
    return ValueError(f"{key.keyword} {tag_text(key.tag)} (VR {key.vr}) {why} (PS3.4 C.2.2.2).")


def _parse_sequence(key: Attribute, match: Match) -> Criterion:
    if match is None or match in ("", {}):
        return Universal()
    if match == EMPTY_TEXT:
        return Empty()
    if not isinstance(match, Mapping):
        raise _wrong(key, "takes a mapping of the keywords in its items")
    return Items({inner: parse(inner, value) for inner, value in match.items()})


def _parse_list(key: Attribute, values: Iterable[object]) -> AnyOf:
    found: list[One] = []
    for value in values:
        one = _parse_scalar(key, None if _is_missing(value) else value)
        if isinstance(one, Universal):
            raise _wrong(
                key,
                "was given a list with an empty value, which would match everything: "
                f"leave it out, or write {EMPTY_TEXT} for what has no value",
            )
        found.extend(one.criteria if isinstance(one, AnyOf) else [one])
    return AnyOf(tuple(dict.fromkeys(found)))


def _parse_scalar(key: Attribute, value: object) -> Universal | One | AnyOf:
    text = _text(key, value)
    if not text.strip("*"):
        return Universal()
    if text == EMPTY_TEXT:
        return Empty()
    if key.vr in DATE_TIME_VRS:
        return _parse_instant(key, text)
    return _parse_name(text) if key.vr == "PN" else _parse_text(key, text)


def _parse_text(key: Attribute, text: str) -> Equals | Wildcard:
    form = normal_form(key.vr, text)
    if "*" in text or "?" in text:
        if key.vr not in WILDCARD_VRS:
            raise _wrong(key, "cannot be matched with wildcards")
        return Wildcard(text, str(form))
    if key.vr in NUMBER_VRS and isinstance(form, str):
        raise _wrong(key, "needs a number")
    return Equals(text, form)


def _text(key: Attribute, value: object) -> str:
    """Return a Python value as DICOM writes it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip(" \0")
    if _is_missing(value):
        raise _wrong(key, "was given a missing value: leave the key out to match all")
    if isinstance(value, dt.date | dt.time) and key.vr in DATE_TIME_VRS:
        return _clock_text(key, value)
    if isinstance(value, bool):
        raise _wrong(key, "cannot be matched with a truth value")
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real) and key.vr in NUMBER_VRS and math.isfinite(float(value)):
        return repr(float(value))
    raise _wrong(key, f"cannot be matched with a {type(value).__name__}")


def _is_missing(value: object) -> bool:
    """Say whether a value is what a table holds where there is none: NaN, NaT or NA."""
    # By name: NaT passes for a date, and pandas is no dependency of this room.
    is_nan = isinstance(value, float) and math.isnan(value)
    return is_nan or type(value).__name__ in ("NaTType", "NAType")


def _clock_text(key: Attribute, value: dt.date | dt.time) -> str:
    day = f"{value.year:04d}{value:%m%d}" if isinstance(value, dt.date) else ""
    time = f"{value:%H%M%S.%f}" if isinstance(value, dt.datetime | dt.time) else ""
    text = {"DA": day, "TM": time, "DT": day and day + time}[key.vr]
    if not text:
        raise _wrong(key, f"cannot be matched with a {type(value).__name__}")
    return text


def _parse_instant(key: Attribute, text: str) -> Equals | Range:
    low, dash, high = _split_range(key, text)
    if dash:
        return _parse_range(key, low or None, high or None)
    first, last = earliest(key.vr, text), latest(key.vr, text)
    if first is None or last is None:
        raise _no_instant(key)
    text = _written(key.vr, text)
    return Equals(text, first) if first == last else Range(text, first, last)


def _split_range(key: Attribute, text: str) -> tuple[str, str, str]:
    """Split a range at its hyphen: the one that is no part of a date or of an offset from UTC."""
    # An offset is at most 14 hours: four digits beyond that are a year.
    is_offset = not re.fullmatch(r"[\d.]+-(1[5-9]|[2-9]\d)\d\d", text)
    if is_offset and earliest(key.vr, text) is not None:
        return text, "", ""
    for at in (found.start() for found in re.finditer("-", text)):
        low, high = text[:at], text[at + 1 :]
        if all(not part or earliest(key.vr, part) is not None for part in (low, high)):
            return low, "-", high
    return text, "", ""


def _no_instant(key: Attribute) -> ValueError:
    forms = {"DA": "YYYYMMDD", "TM": "HHMMSS.FFFFFF", "DT": "YYYYMMDDHHMMSS.FFFFFF"}
    return _wrong(key, f"needs {forms[key.vr]}, or a range of two with a hyphen between")


def _parse_range(key: Attribute, low: Scalar | None, high: Scalar | None) -> Range:
    if low is None and high is None:
        raise _wrong(key, "was given a range without bounds: leave the key empty to match all")
    texts = ["" if bound is None else _text(key, bound) for bound in (low, high)]
    if key.vr in DATE_TIME_VRS:
        first = earliest(key.vr, texts[0]) if texts[0] else None
        last = latest(key.vr, texts[1]) if texts[1] else None
        if (texts[0] and first is None) or (texts[1] and last is None):
            raise _no_instant(key)
        return Range("-".join(_written(key.vr, text) for text in texts), first, last)
    if key.vr in NUMBER_VRS:
        bounds = [normal_form(key.vr, text) if text else None for text in texts]
        if any(isinstance(bound, str) for bound in bounds):
            raise _wrong(key, "needs numbers")
        return Range("", *bounds)
    raise _wrong(key, "cannot be matched with a range: only dates, times and numbers can")


def _written(vr: str, text: str) -> str:
    """Return a date or time as today's standard writes it."""
    if vr == "DA":
        return earliest(vr, text) or ""
    return text.replace(":", "") if vr == "TM" else text


def check_order(keyword: str, criterion: Criterion) -> None:
    """Refuse a range that ends before it begins, at any depth.

    Raises
    ------
    ValueError
        There is one.
    """
    if isinstance(criterion, AnyOf):
        for each in criterion.criteria:
            check_order(keyword, each)
    elif isinstance(criterion, Items):
        for inner, one in criterion.criteria.items():
            check_order(inner, one)
    elif isinstance(criterion, Range):
        low, high = criterion.low, criterion.high
        if low is not None and high is not None and low > high:  # type: ignore[operator]
            raise _wrong(attribute(keyword), "was given a range that ends before it begins")


def _parse_name(text: str) -> Equals | Wildcard | AnyOf | NameGroups:
    if "=" not in text:
        return _parse_group(text)
    groups = text.rstrip("=").split("=")
    return NameGroups(
        text, tuple(_parse_group(group) if group.strip("*") else Universal() for group in groups)
    )


def _parse_group(text: str) -> Equals | Wildcard | AnyOf:
    form = fold_name(text)
    if "*" not in form and "?" not in form:
        return Equals(text, form)
    # Empty components at the end may be left out with their delimiters (PS3.5 6.2.1), so that
    # DOE^* asks for DOE alone as well.
    short = re.sub(r"(\^\**)*\^\*+$", "", form)
    if short == form:
        return Wildcard(text, form)
    bare = Wildcard(text, short) if "*" in short or "?" in short else Equals(text, short)
    return AnyOf((bare, Wildcard(text, short + "^*")))


@lru_cache(maxsize=1024)
def wildcard_expression(pattern: str) -> re.Pattern[str]:
    """Return a wildcard pattern as a regular expression for whole values."""
    signs = {"*": ".*", "?": "."}
    parts = (signs.get(part) or re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.compile("".join(parts), re.DOTALL)
