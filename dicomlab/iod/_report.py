"""Structured reports (PS3.3 A.35): as a tree, as a readable document, as measurements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicomlab.errors import UnsupportedError
from dicomlab.iod import _report_html
from dicomlab.iod._codes import Code
from dicomlab.iod._content import ContentItem, InstanceReference
from dicomlab.iod._load import Loadable, Loaded, load
from dicomlab.standard import sop_class_name

if TYPE_CHECKING:
    import pandas as pd

_ROOT = "1.2.840.10008.5.1.4.1.1.88."
_MEASUREMENT_GROUP = "125007"
_TRACKING_IDENTIFIER, _TRACKING_UID = "112039", "112040"
_FINDING = ("121071", "276214006")
_FINDING_SITE = ("363698007", "G-C0E3")
_DERIVATION = "121401"
_METHOD = ("370129005", "G-C036")
_SEGMENT = "121191"
_CONTEXT = frozenset(
    (_TRACKING_IDENTIFIER, _TRACKING_UID, *_FINDING, *_FINDING_SITE, *_METHOD, _DERIVATION)
)
_COLUMNS = (
    "group", "tracking_identifier", "tracking_uid", "finding", "finding_site", "name", "value",
    "units", "derivation", "method", "referenced_sop_instance_uid", "segment_number", "section",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number with its name and units (TID 300).

    Attributes
    ----------
    value
        ``None`` where the report says why there is none.
    derivation, method
        Mean, maximum and the like; how it was measured.
    """

    name: Code
    value: float | None
    units: Code | None = None
    derivation: Code | None = None
    method: Code | None = None


@dataclass(frozen=True, slots=True)
class MeasurementGroup:
    """Measurements of one thing (TID 1501, 1410, 1411).

    Attributes
    ----------
    measurements
        In the order of the report.
    tracking_identifier, tracking_uid
        What names the same thing in other objects.
    finding, finding_sites
        What it is, and where.
    evaluations
        What was judged, with the judgement.
    segment
        The segmentation and segment that was measured.
    images
        Other instances that the group refers to.
    regions
        Coordinates that the group refers to, as they stand in the report.
    """

    measurements: tuple[Measurement, ...]
    tracking_identifier: str = ""
    tracking_uid: str = ""
    finding: Code | None = None
    finding_sites: tuple[Code, ...] = ()
    evaluations: tuple[tuple[Code, Code], ...] = ()
    segment: InstanceReference | None = None
    images: tuple[InstanceReference, ...] = ()
    regions: tuple[ContentItem, ...] = ()


class Report:
    """A structured report.

    Attributes
    ----------
    root
        The document as a tree.
    completion_flag, verification_flag
        (0040,A491) and (0040,A493).
    """

    def __init__(self, loaded: Loaded) -> None:
        header = loaded.header
        if not loaded.sop_class_uid.startswith(_ROOT) and "ContentSequence" not in header:
            raise UnsupportedError(
                f"Instance {loaded.sop_instance_uid} is of SOP Class "
                f"{sop_class_name(loaded.sop_class_uid) or 'none'}: no structured report.",
                sop_class_uid=loaded.sop_class_uid,
            )
        self._header = header
        self.sop_class_uid = loaded.sop_class_uid
        self.sop_instance_uid = loaded.sop_instance_uid
        self.root = ContentItem.from_attributes(header)
        self.completion_flag = header.string("CompletionFlag") or ""
        self.verification_flag = header.string("VerificationFlag") or ""

    @property
    def title(self) -> str:
        """Concept Name of the root."""
        return str(self.root.concept or sop_class_name(self.sop_class_uid))

    @property
    def groups(self) -> tuple[MeasurementGroup, ...]:
        """The measurement groups of TID 1500, in the order of the report."""
        return tuple(
            _group(item)
            for item in self.root.walk()
            if item.concept is not None and item.concept.value == _MEASUREMENT_GROUP
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return every number of the report as a row, whatever template it follows.

        Columns: which measurement group (from 1, missing outside of groups), what it tracks,
        finding and site, name, value, units, derivation, method, what it refers to, and the
        headings above it. Codes are shown by their meaning; ``groups`` keeps them whole.
        """
        import pandas as pd  # noqa: PLC0415  slow to import, and no report needs it otherwise

        rows = list(_rows(self.root))
        table = pd.DataFrame(rows, columns=list(_COLUMNS))
        return table.astype(
            {"group": "Int64", "segment_number": "Int64", "value": "float64"}
            | {name: "str" for name in _COLUMNS if name not in ("group", "segment_number", "value")}
        )

    def to_html(self) -> str:
        """Return the report as a readable HTML document, every text escaped."""
        return _report_html.document(self.root, _facts(self), self.title)

    def _repr_html_(self) -> str:
        return _report_html.body(self.root, _facts(self))

    def __repr__(self) -> str:
        items = sum(1 for _ in self.root.walk())
        return f"<Report {self.title!r}: {items} content items>"


def read_report(what: Loadable) -> Report:
    """Return a structured report of any class and template (PS3.3 A.35).

    Raises
    ------
    UnsupportedError
        It is an instance of another kind.
    """
    return Report(load(what))


def _facts(report: Report) -> list[tuple[str, str]]:
    said = report._header.string  # noqa: SLF001  one class in two modules
    facts = [
        ("Document", sop_class_name(report.sop_class_uid)),
        ("Patient", _report_html.person(said("PatientName") or "")),
        ("Patient ID", said("PatientID") or ""),
        ("Born", _report_html.date(said("PatientBirthDate") or "")),
        ("Sex", said("PatientSex") or ""),
        ("Study", said("StudyDescription") or ""),
        ("Series", said("SeriesDescription") or ""),
        ("Referring physician", _report_html.person(said("ReferringPhysicianName") or "")),
        ("Manufacturer", said("Manufacturer") or ""),
        ("Completion", report.completion_flag),
        ("Verification", report.verification_flag),
        (
            "Content date and time",
            f"{_report_html.date(said('ContentDate') or '')} "
            f"{_report_html.time(said('ContentTime') or '')}".strip(),
        ),
    ]
    for observer in report._header.items("VerifyingObserverSequence"):  # noqa: SLF001  as above
        name = _report_html.person(observer.string("VerifyingObserverName") or "")
        facts.append(("Verified by", name))
    return [(name, value) for name, value in facts if value]


def _group(item: ContentItem) -> MeasurementGroup:
    segment, images, regions = None, [], []
    for child in _referring(item):
        if child.reference is not None:
            if child.reference.segment_numbers:
                segment = child.reference
            else:
                images.append(child.reference)
        else:
            regions.append(child)
    tracking, uid, finding = (
        item.first(_TRACKING_IDENTIFIER), item.first(_TRACKING_UID), item.first(*_FINDING)
    )  # fmt: skip
    return MeasurementGroup(
        tuple(_measurement(child) for child in item.children if child.value_type == "NUM"),
        tracking.text if tracking else "",
        uid.text if uid else "",
        finding.code if finding else None,
        tuple(one.code for one in item.named(*_FINDING_SITE) if one.code is not None),
        tuple(
            (child.concept, child.code)
            for child in item.children
            if child.value_type == "CODE"
            and child.relationship == "CONTAINS"
            and child.concept is not None
            and child.code is not None
            and child.concept.value not in _CONTEXT
        ),
        segment,
        tuple(images),
        tuple(regions),
    )


def _referring(item: ContentItem) -> Iterator[ContentItem]:
    """Yield what a group refers to: images, segments, coordinates and the images below those."""
    for child in item.children:
        if child.value_type in ("IMAGE", "SCOORD", "SCOORD3D"):
            yield child
            yield from (below for below in child.children if below.reference is not None)


def _measurement(item: ContentItem) -> Measurement:
    derivation, method = item.first(_DERIVATION), item.first(*_METHOD)
    return Measurement(
        item.concept or Code("", "", ""),
        item.number,
        item.code,
        derivation.code if derivation else None,
        method.code if method else None,
    )


def _rows(root: ContentItem) -> Iterator[tuple[object, ...]]:
    number = 0
    pending: list[tuple[ContentItem, int | None, MeasurementGroup | None, tuple[str, ...]]]
    pending = [(root, None, None, ())]
    while pending:
        item, group_number, group, section = pending.pop()
        if item.concept is not None and item.concept.value == _MEASUREMENT_GROUP:
            number += 1
            group_number, group = number, _group(item)
        if item.value_type == "NUM":
            yield _row(item, group_number, group, section)
        below = section
        if item.concept is not None:
            below = (*section, str(item.concept))
        pending += [(child, group_number, group, below) for child in reversed(item.children)]


def _row(
    item: ContentItem, number: int | None, group: MeasurementGroup | None, section: tuple[str, ...]
) -> tuple[object, ...]:
    one = _measurement(item)
    found = group or MeasurementGroup(())
    reference = found.segment or next(iter(found.images), None)
    site = item.first(*_FINDING_SITE)
    sites = [site.code] if site is not None and site.code else list(found.finding_sites)
    return (
        number,
        found.tracking_identifier or None,
        found.tracking_uid or None,
        str(found.finding) if found.finding else None,
        ", ".join(map(str, sites)) or None,
        str(one.name),
        one.value,
        one.units.value if one.units else None,
        str(one.derivation) if one.derivation else None,
        str(one.method) if one.method else None,
        reference.sop_instance_uid if reference else None,
        next(iter(reference.segment_numbers), None) if reference else None,
        " / ".join(section[1:]) or None,
    )
