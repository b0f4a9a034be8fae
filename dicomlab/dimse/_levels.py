"""A query as the identifiers of C-FIND: level by level, each key as a request writes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Final

from dicomlab.catalog import (
    NUMBER_VRS,
    AnyOf,
    Criterion,
    Empty,
    Items,
    Query,
    Range,
    Record,
    Universal,
    Value,
)
from dicomlab.standard import AGGREGATES, UNIQUE_KEY, Level, attribute, level_of

_UIDS_AT_ONCE: Final = 500
"""A list of more is asked in parts: 65,534 bytes is all that a UI element holds in Explicit VR."""

ASKED: Final[Mapping[Level, tuple[str, ...]]] = {
    Level.PATIENT: (
        "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
    ),
    Level.STUDY: (
        "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID",
        "StudyDescription", "ModalitiesInStudy", "SOPClassesInStudy", "ReferringPhysicianName",
        "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: (
        "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "SeriesDate",
        "SeriesTime", "BodyPartExamined", "ProtocolName", "NumberOfSeriesRelatedInstances",
    ),
    Level.IMAGE: (
        "SOPInstanceUID", "SOPClassUID", "InstanceNumber", "Rows", "Columns", "NumberOfFrames",
    ),
}  # fmt: skip
"""What is asked for without being named: a peer may have to open files for anything beyond."""

_PATIENT_COUNTS: Final = (
    "NumberOfPatientRelatedStudies", "NumberOfPatientRelatedSeries",
    "NumberOfPatientRelatedInstances",
)  # fmt: skip


def path_to(level: Level, *, patient_root: bool) -> tuple[Level, ...]:
    """Return the levels that lead to one: the first has no level above in its root (C.6)."""
    first = Level.PATIENT if patient_root or level is Level.PATIENT else Level.STUDY
    return tuple(one for one in Level if first.depth <= one.depth <= level.depth)


def keys_at(query: Query, level: Level, *, is_first: bool) -> dict[str, Value]:
    """Return the keys that one level's identifiers ask for, without a value yet.

    Patient attributes stand on the study level where that is the first (PS3.4 C.6.2).
    """
    owners = [one for one in Level if one is level or (is_first and one.depth < level.depth)]
    keys = [key for owner in owners for key in ASKED[owner]]
    if level is Level.PATIENT:
        keys += _PATIENT_COUNTS
    further = (*query.criteria, *(pair.date_keyword for pair in query.combined),
               *(pair.time_keyword for pair in query.combined), *query.include,
               *(key.lstrip("-") for key in query.order_by))  # fmt: skip
    keys += [key for key in further if level_of(key) in owners]
    return dict.fromkeys(keys)


def matches_at(query: Query, owned: Mapping[str, Value]) -> Iterator[dict[str, Value]]:
    """Yield what the keys of one level must match, one identifier after the other.

    A list is one identifier where the standard has lists (UIDs), else one for each value, in the
    order of the list.
    """
    choices: dict[str, Sequence[Value]] = {}
    for keyword, criterion in query.criteria.items():
        if keyword in owned and not is_local(keyword, criterion):
            choices[keyword] = _choices(keyword, criterion)
    for pair in query.combined:
        if pair.date_keyword in owned:
            choices[pair.date_keyword] = _choices(pair.date_keyword, pair.date)
    for values in product(*choices.values()):
        yield {**owned, **dict(zip(choices, values, strict=True))}


def is_local(keyword: str, criterion: Criterion) -> bool:
    """Return whether only we can match it: no request can say it, or few peers know it.

    Numbers match by the standard only as the same text, counts and "no value" only where a peer
    cares to (PS3.4 C.2.2.2).
    """
    if keyword in AGGREGATES and attribute(keyword).vr in NUMBER_VRS:
        return True
    if isinstance(criterion, AnyOf):
        return any(is_local(keyword, one) for one in criterion.criteria)
    if isinstance(criterion, Range) and not criterion.text:
        return True
    return isinstance(criterion, Empty)


def _choices(keyword: str, criterion: Criterion) -> Sequence[Value]:
    if not isinstance(criterion, AnyOf):
        return (_written(criterion),)
    texts = tuple(dict.fromkeys(_written(one) for one in criterion.criteria))
    if attribute(keyword).vr != "UI":
        return texts
    waiting = iter(str(text) for text in texts)
    return tuple(iter(lambda: tuple(islice(waiting, _UIDS_AT_ONCE)), ()))


def _written(criterion: Criterion) -> Value:
    if isinstance(criterion, Universal | Empty | AnyOf):
        return None
    if isinstance(criterion, Items):
        return ({key: _written(one) for key, one in criterion.criteria.items()},)
    return criterion.text


@dataclass(frozen=True)
class Above:
    """What is known of the entity whose children are asked for."""

    record: Record
    uids: Mapping[str, Value]

    def child(self, level: Level, record: Record) -> Above:
        """Return what is known of an entity below it."""
        key = UNIQUE_KEY[level]
        return Above({**self.record, **record}, {**self.uids, key: record.get(key)})
