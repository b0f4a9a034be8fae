"""A query in the standard's terms (PS3.4 C.2.2.2)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType

from dicomlab.catalog._criteria import Criterion, Equals, Items, Match, Range, check_order, parse
from dicomlab.catalog._matching import meets, values_of
from dicomlab.catalog._normal import normal_form
from dicomlab.catalog._source import Record
from dicomlab.standard import (
    ITEM_KEYS,
    LEVEL_KEYS,
    Level,
    attribute,
    level_of,
    tag_of,
    tag_text,
)

_PAIRS = (
    ("StudyDate", "StudyTime"),
    ("SeriesDate", "SeriesTime"),
    ("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
    ("AcquisitionDate", "AcquisitionTime"),
    ("ContentDate", "ContentTime"),
    ("InstanceCreationDate", "InstanceCreationTime"),
    ("PatientBirthDate", "PatientBirthTime"),
)
_INSTEAD = {"Modality": "ModalitiesInStudy", "SOPClassUID": "SOPClassesInStudy"}


@dataclass(frozen=True, slots=True)
class CombinedRange:
    """A date and a time that bound one period together (PS3.4 C.2.2.2.5).

    Attributes
    ----------
    date_keyword, time_keyword
        The pair; neither stands in the query's `criteria`.
    low, high
        ``YYYYMMDDHHMMSS.FFFFFF``, both included, ``None`` where open. Compare with the normal
        forms of date and time written together; a missing time counts as midnight.
    date, time
        The two as they were asked for, for requests.
    """

    date_keyword: str
    time_keyword: str
    low: str | None
    high: str | None
    date: Criterion
    time: Criterion


@dataclass(frozen=True, init=False)
class Query:
    r"""What is asked of a source: a level, and what the attributes must match.

    ``Query("study", PatientName="DOE*", StudyDate="20240101-", ModalitiesInStudy=["CT", "PT"])``

    Attributes are named by keyword. What they may be matched with:

    ============================== =================================================================
    a value                        that value; numbers compare as numbers, dates and times may be
                                   Python's, and one that leaves parts out means all it names
    ``"DOE*"``, ``"10?"``          text with wildcards
    ``"20240101-20240131"``        dates and times from, to, or both (``"20240101-"``); a tuple of
                                   two or a slice too, for numbers as well
    a list, set or column          any of these; ``"1.2\\1.3"`` is the standard's way to write it
    ``'""'`` (two double quotes)   no value
    ``None``, ``""``, ``"*"``      anything, also no value: the attribute is only asked for
    a mapping                      of a sequence: one item that matches all of it
    ============================== =================================================================

    Person names match without regard to case and diacritics, in any of their component groups, or
    group by group where the request has ``=`` itself. Code strings match without regard to case;
    all other text matches exactly. An attribute with several values matches when one of them does.
    Offsets from UTC are not applied: clocks compare as they are written.

    A level takes its own attributes and those of the levels above it; an attribute that no level
    owns belongs to the instance.

    Attributes
    ----------
    level
        What one answer stands for.
    criteria
        Keyword to what it must match, parsed.
    combined
        Dates and times that bound one period together.
    include
        More attributes that the answers shall hold.
    order_by
        Keywords to sort by, a ``-`` before those that descend; what has no value comes last.
    limit, offset
        At most so many answers, after leaving out so many; ``limit=None`` is all.
    """

    level: Level
    criteria: Mapping[str, Criterion]
    combined: tuple[CombinedRange, ...]
    include: tuple[str, ...]
    order_by: tuple[str, ...]
    limit: int | None
    offset: int

    def __init__(
        self,
        level: str | Level = Level.STUDY,
        /,
        *,
        include: str | Sequence[str] = (),
        order_by: str | Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
        combined_datetime: bool = False,
        **matches: Match,
    ) -> None:
        """Parse what is asked.

        Parameters
        ----------
        level
            ``"patient"``, ``"study"``, ``"series"`` or ``"instance"`` (``"image"``).
        combined_datetime
            A date and its time bound one period: from the first date at the first time to the last
            date at the last time. Without it, as PS3.4 has it unless both sides negotiate it, each
            matches by itself: every day of the dates, between these times. DICOMweb always
            combines (PS3.18 8.3.4).
        matches
            By keyword.

        Raises
        ------
        NotFoundError
            No attribute has this keyword; the message names the near ones.
        ValueError
            The level or the attribute cannot be asked so.
        """
        self._set("level", _level(level))
        criteria = {keyword: parse(keyword, match) for keyword, match in _nested(matches).items()}
        self._set("include", (include,) if isinstance(include, str) else tuple(include))
        self._set("order_by", (order_by,) if isinstance(order_by, str) else tuple(order_by))
        for keyword, criterion in criteria.items():
            _check_items(keyword, criterion)
        for keyword in (*criteria, *self.include, *(key.lstrip("-") for key in self.order_by)):
            self._check_level(keyword)
        combined = _combine(criteria) if combined_datetime else ()
        for keyword, criterion in criteria.items():
            check_order(keyword, criterion)
        self._set("combined", combined)
        self._set("criteria", MappingProxyType(criteria))
        if offset < 0 or (limit is not None and limit < 0):
            raise ValueError("limit and offset count answers: they cannot be negative.")
        self._set("limit", limit)
        self._set("offset", offset)

    @classmethod
    def of(cls, level: str | Level, matches: Mapping[str, Match], **options: object) -> Query:
        """Return a query from a mapping, as a request or a table row gives it.

        Attributes within sequences may be named by path, ``"ProcedureCodeSequence.CodeValue"``;
        `options` are the constructor's.
        """
        return cls(level, **options, **matches)  # type: ignore[arg-type]

    def matches(self, record: Record, *, keywords: Container[str] | None = None) -> bool:
        """Return whether a record answers the query: the reference for every index.

        The record must hold the attributes of the query's level and of those above. Only the
        criteria of `keywords` are looked at where those are given, and what is combined.
        """
        return all(
            meets(keyword, criterion, record.get(keyword))
            for keyword, criterion in self.criteria.items()
            if keywords is None or keyword in keywords
        ) and all(_within(pair, record) for pair in self.combined)

    @property
    def keywords(self) -> tuple[str, ...]:
        """What each answer holds: the level's attributes, those above, and what was asked for."""
        levels = [level for level in Level if level.depth <= self.level.depth]
        own = [key for level in levels for key in LEVEL_KEYS[level]]
        pairs = [(one.date_keyword, one.time_keyword) for one in self.combined]
        asked = [*self.criteria, *(key for pair in pairs for key in pair), *self.include]
        return tuple(dict.fromkeys((*own, *asked)))

    def arrange(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield matching records in the order asked for, from `offset`, `limit` at the most."""
        found: Iterable[Record] = records
        for key in reversed(self.order_by):
            found = sorted(found, key=_SortKey(key.lstrip("-")), reverse=key.startswith("-"))
            if key.startswith("-"):
                found = _missing_last(found, key.lstrip("-"))
        end = None if self.limit is None else self.offset + self.limit
        yield from islice(found, self.offset, end)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_level(self, keyword: str) -> None:
        key = attribute(keyword)
        owner = level_of(keyword)
        if owner.depth > self.level.depth:
            instead = _INSTEAD.get(keyword) if self.level is Level.STUDY else None
            hint = f"ask for {instead}, or " if instead else ""
            raise ValueError(
                f"{keyword} {tag_text(key.tag)} belongs to the {_name(owner)}, below the "
                f"{_name(self.level)} level: {hint}query at the {_name(owner)} level "
                "(PS3.4 C.6)."
            )


def _check_items(keyword: str, criterion: Criterion) -> None:
    if not isinstance(criterion, Items):
        return
    known = ITEM_KEYS.get(keyword, ())
    unknown = sorted(set(criterion.criteria) - set(known))
    if unknown:
        raise ValueError(
            f"{unknown[0]} {tag_text(tag_of(unknown[0]))} is no key within {keyword}: "
            f"{', '.join(known) or 'none of its attributes'} can be matched (PS3.4 C.2.2.2.6)."
        )


def _name(level: Level) -> str:
    return "instance" if level is Level.IMAGE else level.lower()


def _level(level: str | Level) -> Level:
    try:
        return Level(level)
    except ValueError:
        raise ValueError("level is one of patient, study, series and instance.") from None


def _nested(matches: Mapping[str, Match]) -> dict[str, Match]:
    """Return matches with paths such as ``Sequence.Keyword`` made into mappings."""
    found: dict[str, Match] = {}
    for path, match in matches.items():
        keyword, _, inner = path.partition(".")
        if inner:
            before = found.get(keyword)
            one = _nested({**(before if isinstance(before, Mapping) else {}), inner: match})
            found[keyword] = one
        else:
            found[keyword] = match
    return found


def _combine(criteria: dict[str, Criterion]) -> tuple[CombinedRange, ...]:
    """Take pairs of a date and a time range out of the criteria, as one period each."""
    found = []
    for date_keyword, time_keyword in _PAIRS:
        date, time = criteria.get(date_keyword), criteria.get(time_keyword)
        if isinstance(date, Range | Equals) and isinstance(time, Range | Equals):
            del criteria[date_keyword], criteria[time_keyword]
            (low_day, high_day), (low_time, high_time) = _bounds(date), _bounds(time)
            low = None if low_day is None else low_day + (low_time or "000000.000000")
            high = None if high_day is None else high_day + (high_time or "235960.999999")
            check_order(date_keyword, Range("", low, high))
            found.append(CombinedRange(date_keyword, time_keyword, low, high, date, time))
    return tuple(found)


def _bounds(criterion: Range | Equals) -> tuple[str | None, str | None]:
    if isinstance(criterion, Equals):
        return str(criterion.key), str(criterion.key)
    return (
        None if criterion.low is None else str(criterion.low),
        None if criterion.high is None else str(criterion.high),
    )


def _within(pair: CombinedRange, record: Record) -> bool:
    days, times = values_of(record.get(pair.date_keyword)), values_of(record.get(pair.time_keyword))
    if not days:
        return False
    day = str(normal_form("DA", days[0]))
    time = str(normal_form("TM", times[0])) if times else "000000.000000"
    if day.startswith("!") or time.startswith("!"):
        return False
    instant = day + time
    return (pair.low is None or pair.low <= instant) and (pair.high is None or instant <= pair.high)


class _SortKey:
    """Orders records by one attribute's normal form, those without a value last."""

    def __init__(self, keyword: str) -> None:
        self.keyword = keyword
        self.vr = attribute(keyword).vr

    def __call__(self, record: Record) -> tuple[bool, bool, float, str]:
        values = values_of(record.get(self.keyword))
        if not values:
            return True, False, 0.0, ""
        form = normal_form(self.vr, values[0])
        if isinstance(form, str):
            return False, True, 0.0, form
        return False, False, form, ""


def _missing_last(records: Iterable[Record], keyword: str) -> list[Record]:
    return sorted(records, key=lambda record: not values_of(record.get(keyword)))
