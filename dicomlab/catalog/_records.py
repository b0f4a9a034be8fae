"""Records of patients, studies, series and instances, made from the attributes of instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from typing import Final, overload

from dicomlab.catalog._matching import values_of
from dicomlab.catalog._normal import NUMBER_VRS
from dicomlab.catalog._seen import Seen
from dicomlab.catalog._source import Record, Scalar, Value
from dicomlab.errors import NonConformantError
from dicomlab.safety import Attributes, Header
from dicomlab.standard import AGGREGATES, ITEM_KEYS, LEVEL_KEYS, Level, attribute, tag_of

_FLOATS: Final = frozenset(("DS", "FL", "FD"))
OWN_KEYS: Final[Mapping[Level, tuple[str, ...]]] = {
    level: tuple(key for key in keys if key not in AGGREGATES) for level, keys in LEVEL_KEYS.items()
}
"""The attributes of each level that instances hold themselves."""

_TAGS: Final = {level: {tag_of(key): key for key in keys} for level, keys in OWN_KEYS.items()}
_ALL_KEYS: Final = tuple(chain(*OWN_KEYS.values()))
_ALL_TAGS: Final = {tag_of(key): key for key in _ALL_KEYS}
_seen: Final[Seen[Value]] = Seen()
_VRS: Final = {key: attribute(key).vr for key in chain(*OWN_KEYS.values(), *ITEM_KEYS.values())}


def value_of(attributes: Attributes, keyword: str) -> Value:
    """Return one attribute's value as a record holds it, ``None`` where it has none.

    A number that is none stays text: one bad weight must not hide a study. Of a sequence's items,
    a record holds the attributes of `dicomlab.standard.ITEM_KEYS`.
    """
    if keyword not in attributes:
        return None
    return _present_value(attributes, keyword, _VRS.get(keyword) or attribute(keyword).vr)


def _present_value(attributes: Attributes, keyword: str, vr: str) -> Value:
    values: Sequence[Scalar | Record]
    if vr == "SQ":
        keys = ITEM_KEYS.get(keyword, ())
        values = [
            {key: value_of(item, key) for key in keys} for item in attributes.items(keyword)
        ]  # fmt: skip
        return tuple(values) or None
    values = _numbers(attributes, keyword, vr) if vr in NUMBER_VRS else attributes.strings(keyword)
    if len(values) == 1:
        return values[0] if values[0] != "" else None
    return tuple(values) or None


def _numbers(attributes: Attributes, keyword: str, vr: str) -> Sequence[Scalar]:
    try:
        numbers = attributes.numbers(keyword)
    except NonConformantError:
        return attributes.strings(keyword)
    if not all(map(isfinite, numbers)):
        return attributes.strings(keyword)
    if vr in _FLOATS:
        return numbers
    return tuple(int(number) if number.is_integer() else number for number in numbers)


def level_record(attributes: Attributes, level: Level) -> dict[str, Value]:
    """Return what an instance says about itself on one level, without what must be counted."""
    return _record(attributes, OWN_KEYS[level], _TAGS[level])


def instance_record(attributes: Attributes, include: Iterable[str] = ()) -> dict[str, Value]:
    """Return what an instance says about itself on all four levels, and what else was asked for.

    AvailableTransferSyntaxUID (0008,3002) is taken from the file meta information.
    """
    record = _record(attributes, _ALL_KEYS, _ALL_TAGS)
    record["AvailableTransferSyntaxUID"] = attributes.string("TransferSyntaxUID")
    return record | {keyword: value_of(attributes, keyword) for keyword in include}


def _record(
    attributes: Attributes, keys: Iterable[str], tags: Mapping[int, str]
) -> dict[str, Value]:
    record: dict[str, Value] = dict.fromkeys(keys)

    def make(tag: int) -> Value:
        return _present_value(attributes, tags[tag], _VRS[tags[tag]])

    if isinstance(attributes, Header):
        # Most keys are absent: asking each of 60 would cost as much as the walk itself.
        present = tags.keys() & attributes.elements.keys()
        values = _seen.each(attributes, present, make)
        record.update(zip([tags[tag] for tag in present], values, strict=True))
        return record
    for tag, keyword in tags.items():
        if keyword in attributes:
            record[keyword] = make(tag)
    return record


def patient_key(record: Record) -> tuple[str, ...]:
    """Return what tells one patient from another: the ID and its issuer.

    Without an ID, name and birth date stand in: no ID is not one and the same patient.
    """
    patient_id, issuer = _text(record, "PatientID"), _text(record, "IssuerOfPatientID")
    if patient_id:
        return patient_id, issuer
    return "", issuer, _text(record, "PatientName"), _text(record, "PatientBirthDate")


def agreed(records: Iterable[Record], keywords: Iterable[str]) -> dict[str, Value]:
    """Return what several records say about what they share.

    Where they contradict each other, the first that has a value is believed. Give them in the order
    of their UIDs, as text: then the answer does not depend on the order of arrival.
    """
    kept = list(records)
    first = kept[0]
    found = {}
    for keyword in keywords:
        value = first.get(keyword)
        if value is None:
            value = next((one[keyword] for one in kept if one.get(keyword) is not None), None)
        found[keyword] = value
    return found


def summarise(instances: Iterable[Record]) -> dict[Level, Sequence[Record]]:
    """Return the records of all four levels, from those of the instances.

    Each holds the attributes of its level and of those above, with what is counted below it. A
    study belongs to the patient that `agreed` finds for it. Records come in a stable order: by
    patient, date and number, then by UID.

    Parameters
    ----------
    instances
        As `instance_record` makes them, each SOP Instance UID once.
    """
    rows = sorted(instances, key=lambda row: _text(row, "SOPInstanceUID"))
    studies = [_study(study) for _key, study in sorted(_grouped(rows, "StudyInstanceUID").items())]
    by_patient: dict[tuple[str, ...], list[_Study]] = {}
    for study in studies:
        by_patient.setdefault(patient_key(study.record), []).append(study)
    found: dict[Level, list[Record]] = {level: [] for level in Level if level is not Level.IMAGE}
    images = _Joined()
    for _key, patient_studies in sorted(by_patient.items()):
        _add_patient(found, images, patient_studies)
    return {**found, Level.IMAGE: images}


class _Joined(Sequence[Record]):
    """Records of instances, each put together with its series' when it is asked for.

    Of a hundred attributes an instance has the most from its series: kept whole, each would take
    three kilobytes for them.
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[Record, Record]] = []

    def add(self, instance: Record, series: Record) -> None:
        """Add an instance; of what both say, its series is believed."""
        self._pairs.append((instance, series))

    def __len__(self) -> int:
        return len(self._pairs)

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...

    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        if isinstance(place, slice):
            return [{**instance, **series} for instance, series in self._pairs[place]]
        instance, series = self._pairs[place]
        return {**instance, **series}


@dataclass(frozen=True)
class _Study:
    """A study with its series, each with its instances."""

    record: dict[str, Value]
    series: list[tuple[dict[str, Value], list[Record]]]


def _study(rows: list[Record]) -> _Study:
    record = agreed(rows, (*OWN_KEYS[Level.PATIENT], *OWN_KEYS[Level.STUDY]))
    series = []
    for series_rows in _grouped(rows, "SeriesInstanceUID").values():
        own = agreed(series_rows, OWN_KEYS[Level.SERIES])
        series.append((own | {"NumberOfSeriesRelatedInstances": len(series_rows)}, series_rows))
    record |= {
        "ModalitiesInStudy": _distinct((own for own, _rows in series), "Modality"),
        "SOPClassesInStudy": _distinct(rows, "SOPClassUID"),
        "NumberOfStudyRelatedSeries": len(series),
        "NumberOfStudyRelatedInstances": len(rows),
    }
    return _Study(record, series)


def _add_patient(found: dict[Level, list[Record]], images: _Joined, studies: list[_Study]) -> None:
    by_series = [rows for study in studies for _own, rows in study.series]
    counts: dict[str, Value] = {
        "NumberOfPatientRelatedStudies": len(studies),
        "NumberOfPatientRelatedSeries": len(by_series),
        "NumberOfPatientRelatedInstances": sum(
            len(rows) for study in studies for _own, rows in study.series
        ),
    }
    keys = OWN_KEYS[Level.PATIENT]
    found[Level.PATIENT].append(agreed((study.record for study in studies), keys) | counts)
    for study in sorted(studies, key=lambda one: _order(one.record, "StudyDate", "StudyTime")):
        study_record = study.record | counts
        found[Level.STUDY].append(study_record)
        for own, rows in sorted(study.series, key=lambda one: _order(one[0], "SeriesNumber")):
            series_record = study_record | own
            found[Level.SERIES].append(series_record)
            for row in sorted(rows, key=lambda row: _order(row, "InstanceNumber")):
                images.add(row, series_record)


def _grouped(rows: Iterable[Record], keyword: str) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for row in rows:
        groups.setdefault(_text(row, keyword), []).append(row)
    return groups


def _distinct(records: Iterable[Record], keyword: str) -> tuple[str, ...] | None:
    return (
        tuple(sorted({str(one) for row in records for one in values_of(row.get(keyword))})) or None
    )


def _text(record: Record, keyword: str) -> str:
    values = values_of(record.get(keyword))
    return str(values[0]) if values else ""


def _order(record: Record, *keywords: str) -> tuple[tuple[float, str], ...]:
    """Return what records are sorted by: numbers as numbers, what has no value first."""
    keys = []
    for keyword in keywords:
        value = record.get(keyword)
        keys.append(
            (float(value), "")
            if isinstance(value, int | float)
            else (float("-inf"), _text(record, keyword))
        )
    return tuple(keys)
