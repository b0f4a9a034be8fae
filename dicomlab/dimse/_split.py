"""Cutting a query into smaller ones where a peer answers only part of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dicomlab.catalog import Value

_DAY: Final = dt.timedelta(days=1)
_HUNDRED: Final = 100
_LAST_SECOND: Final = 24 * 3600 - 1


def looks_capped(answers: int) -> bool:
    """Return whether a number of answers is one that an administrator may have set as the most.

    A round hundred, or a power of two from 128 on. A whole answer of such a length costs one more
    look; a cut one is found by it.
    """
    return answers >= _HUNDRED and (
        answers % _HUNDRED == 0 or (answers > _HUNDRED and answers & (answers - 1) == 0)
    )


def split(
    keys: Mapping[str, Value], dates: Sequence[str], times: Sequence[str]
) -> Iterator[dict[str, Value]] | None:
    """Return the parts of a study query, ``None`` where it can be cut no further.

    Parameters
    ----------
    keys
        The identifier whose answer was cut.
    dates, times
        Study Date and Study Time of what it answered: the cut goes through their middle, so that
        each part has about half.
    """
    asked = keys.get("StudyDate")
    low, high = _bounds(asked if isinstance(asked, str) else "")
    days = sorted(day for text in dates if (day := _day(text)) is not None)
    if low is None or high is None or low < high:
        parts = _dates(low, high, days)
        return None if parts is None else ({**keys, "StudyDate": part} for part in parts)
    parts = _times(keys.get("StudyTime"), times)
    return None if parts is None else ({**keys, "StudyTime": part} for part in parts)


def _dates(low: dt.date | None, high: dt.date | None, days: list[dt.date]) -> list[str] | None:
    inside = [day for day in days if (low or day) <= day <= (high or day)]
    if not inside:
        if low is None or high is None:
            return None
        middle = low + (high - low) // 2
    else:
        middle = inside[len(inside) // 2]
    found = []
    if low is None or low < middle:
        found.append(_range(low, middle - _DAY))
    found.append(f"{middle:%Y%m%d}")
    if high is None or middle < high:
        found.append(_range(middle + _DAY, high))
    return found


def _range(low: dt.date | None, high: dt.date | None) -> str:
    if low is not None and low == high:
        return f"{low:%Y%m%d}"
    return "-".join("" if day is None else f"{day:%Y%m%d}" for day in (low, high))


def _bounds(text: str) -> tuple[dt.date | None, dt.date | None]:
    low, dash, high = text.partition("-")
    first = _day(low)
    return (first, _day(high)) if dash else (first, first)


def _day(text: str) -> dt.date | None:
    try:
        return dt.datetime.strptime(text[:8], "%Y%m%d").date()  # noqa: DTZ007  dates have no zone
    except ValueError:
        return None


def _times(asked: Value, times: Sequence[str]) -> list[str] | None:
    low, high = 0, _LAST_SECOND
    if isinstance(asked, str) and asked:
        first, dash, last = asked.partition("-")
        low = _second(first) if first else 0
        high = (_second(last) if last else _LAST_SECOND) if dash else low
    if low >= high:
        return None
    seconds = sorted(_second(text) for text in times if text)
    inside = [second for second in seconds if low <= second < high]
    middle = inside[len(inside) // 2] if inside else (low + high) // 2
    return [f"{_clock(low)}-{_clock(middle)}.999999", f"{_clock(middle + 1)}-{_clock(high)}.999999"]


def _second(text: str) -> int:
    digits = text.partition(".")[0].ljust(6, "0")
    try:
        hour, minute, second = (int(digits[at : at + 2]) for at in (0, 2, 4))
    except ValueError:
        return 0
    return min(hour * 3600 + minute * 60 + second, _LAST_SECOND)


def _clock(second: int) -> str:
    return f"{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}"
