"""The content tree of a structured report (PS3.3 C.17.3), as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dicomlab.iod._codes import Code
from dicomlab.safety import Attributes

_TEXT_OF = {
    "TEXT": "TextValue",
    "DATETIME": "DateTime",
    "DATE": "Date",
    "TIME": "Time",
    "UIDREF": "UID",
    "PNAME": "PersonName",
}


@dataclass(frozen=True, slots=True)
class InstanceReference:
    """What a content item refers to: an image, a waveform, another composite object."""

    sop_class_uid: str
    sop_instance_uid: str
    frame_numbers: tuple[int, ...] = ()
    segment_numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ContentItem:
    """One node of the content tree (PS3.3 C.17.3).

    Attributes
    ----------
    value_type
        ``"CONTAINER"``, ``"TEXT"``, ``"NUM"``, ``"CODE"``, ``"IMAGE"`` and so on; empty for an item
        that stands for another one of the tree.
    relationship
        To the item above it: ``"CONTAINS"``, ``"HAS OBS CONTEXT"`` and so on.
    concept
        Concept Name: what the value says.
    text
        Of TEXT, dates, times, UIDs and person names, as DICOM writes them; of NUM the digits.
    code
        Of CODE the value, of NUM the units.
    number
        Of NUM, ``None`` where there is none.
    qualifier
        Of NUM, why there is no number or what is special about it.
    reference
        Of IMAGE, WAVEFORM and COMPOSITE.
    graphic_type, graphic_data
        Of SCOORD and SCOORD3D: kind and numbers; of TCOORD kind and positions.
    children
        What stands below.
    target
        Of an item that stands for another one: the numbers, from 1, that lead to it.
    continuity
        Of CONTAINER, ``"SEPARATE"`` or ``"CONTINUOUS"``.
    """

    value_type: str
    relationship: str = ""
    concept: Code | None = None
    text: str = ""
    code: Code | None = None
    number: float | None = None
    qualifier: Code | None = None
    reference: InstanceReference | None = None
    graphic_type: str = ""
    graphic_data: tuple[float, ...] = ()
    children: tuple[ContentItem, ...] = ()
    target: tuple[int, ...] = ()
    continuity: str = ""

    @classmethod
    def from_attributes(cls, item: Attributes) -> ContentItem:
        """Return the item and all below it."""
        kind = item.string("ValueType") or ""
        text = "\\".join(item.strings(_TEXT_OF[kind])) if kind in _TEXT_OF else ""
        code = Code.from_attributes(item, "ConceptCodeSequence") if kind == "CODE" else None
        number = qualifier = None
        if kind == "NUM":
            text, number, code = _measured(item)
            qualifier = Code.from_attributes(item, "NumericValueQualifierCodeSequence")
        return cls(
            kind,
            item.string("RelationshipType") or "",
            Code.from_attributes(item, "ConceptNameCodeSequence"),
            text,
            code,
            number,
            qualifier,
            _reference(item),
            (item.string("GraphicType") or item.string("TemporalRangeType") or "")
            if kind in ("SCOORD", "SCOORD3D", "TCOORD")
            else "",
            _graphic(item) if kind in ("SCOORD", "SCOORD3D", "TCOORD") else (),
            tuple(cls.from_attributes(child) for child in item.items("ContentSequence")),
            tuple(int(value) for value in item.numbers("ReferencedContentItemIdentifier")),
            item.string("ContinuityOfContent") or "",
        )

    def walk(self) -> Iterator[ContentItem]:
        """Yield this item and all below it, in the order of the document."""
        yield self
        for child in self.children:
            yield from child.walk()

    def named(self, *codes: str) -> Iterator[ContentItem]:
        """Yield the children whose concept has one of these code values."""
        for child in self.children:
            if child.concept is not None and child.concept.value in codes:
                yield child

    def first(self, *codes: str) -> ContentItem | None:
        """Return the first child of `named`, ``None`` where there is none."""
        return next(self.named(*codes), None)


def _measured(item: Attributes) -> tuple[str, float | None, Code | None]:
    for value in item.items("MeasuredValueSequence"):
        text = (value.strings("NumericValue") or ("",))[0]
        try:
            number: float | None = float(text)
        except ValueError:
            number = None
        exact = value.number("FloatingPointValue")
        return (
            text,
            number if exact is None else exact,
            Code.from_attributes(value, "MeasurementUnitsCodeSequence"),
        )
    return "", None, None


def _reference(item: Attributes) -> InstanceReference | None:
    for one in item.items("ReferencedSOPSequence"):
        return InstanceReference(
            one.string("ReferencedSOPClassUID") or "",
            one.string("ReferencedSOPInstanceUID") or "",
            tuple(int(value) for value in one.numbers("ReferencedFrameNumber")),
            tuple(int(value) for value in one.numbers("ReferencedSegmentNumber")),
        )
    return None


def _graphic(item: Attributes) -> tuple[float, ...]:
    for keyword in ("GraphicData", "ReferencedTimeOffsets", "ReferencedSamplePositions"):
        values = item.numbers(keyword)
        if values:
            return values
    return ()
