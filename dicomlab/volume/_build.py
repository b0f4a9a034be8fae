"""From the instances of a series to its volumes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from dicomlab.catalog import InstanceData
from dicomlab.errors import (
    DicomlabError,
    GeometryError,
    NonConformantError,
    NotFoundError,
)
from dicomlab.geometry import POSITION_TOLERANCE_MM, Defect, Stack, slice_normal, stack_planes
from dicomlab.pixels import voi_windows
from dicomlab.safety import Attributes, Header
from dicomlab.standard import tag_text
from dicomlab.volume._dicom import DicomSliceReader, StoredPlane
from dicomlab.volume._planes import Plane, planes_of
from dicomlab.volume._split import (
    Part,
    differs_in,
    hard_parts,
    places_along_normal,
    soft_parts,
)
from dicomlab.volume._suv import SuvInputs
from dicomlab.volume._volume import SplitValue, Volume


@dataclass(frozen=True, slots=True)
class Remedies:
    """What may be done about planes that form no regular grid; nothing by default.

    Attributes
    ----------
    tolerance_mm
        Largest distance of a slice from its place on the grid that counts as rounding.
    allow_tilt
        Take a tilted stack: its affine is exact, its axes are not at right angles.
    duplicates
        ``"refuse"``, or ``"first"``: of planes in one place that nothing tells apart, keep the one
        with the least SOP Instance UID and frame.
    gaps
        ``"refuse"``, or ``"split"``: open what lies between wider gaps as volumes of their own.
    split_by
        Keyword of the attribute that tells planes in one place apart.
    slice_spacing_mm
        For a single slice that says nothing of its thickness.
    """

    tolerance_mm: float = POSITION_TOLERANCE_MM
    allow_tilt: bool = False
    duplicates: str = "refuse"
    gaps: str = "refuse"
    split_by: str | None = None
    slice_spacing_mm: float | None = None

    def __post_init__(self) -> None:
        if self.duplicates not in ("refuse", "first") or self.gaps not in ("refuse", "split"):
            raise ValueError('duplicates is "refuse" or "first", gaps is "refuse" or "split"')
        if not 0 <= self.tolerance_mm < math.inf:
            raise ValueError("tolerance_mm is a length of 0 mm or more, and finite")
        if self.slice_spacing_mm is not None and not 0 < self.slice_spacing_mm < math.inf:
            raise ValueError("slice_spacing_mm is a length of more than 0 mm, and finite")


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """One part of a series: the volume that it forms, or why it forms none.

    Attributes
    ----------
    volume
        ``None`` where the part was refused.
    refusal
        ``None`` where it was not. A `GeometryError` names its reason, numbers and remedies.
    split
        What tells the part from the others.
    sop_instance_uids
        The instances of the part.
    """

    volume: Volume | None
    refusal: DicomlabError | None
    split: Mapping[str, SplitValue]
    sop_instance_uids: tuple[str, ...]


_LEAST, _MOST = 1e-30, 1e30


class RemedyOptions(TypedDict, total=False):
    """The attributes of `Remedies`, as keyword arguments."""

    tolerance_mm: float
    allow_tilt: bool
    duplicates: str
    gaps: str
    split_by: str | None
    slice_spacing_mm: float | None


def examine(instances: Iterable[InstanceData], **remedies: Unpack[RemedyOptions]) -> list[Examined]:
    """Return every part of a series, with its volume or the reason why there is none.

    Only headers are read. A series is split by orientation, size, spacing, type of pixels and
    contrast (image type, echo, inversion, diffusion, temporal position), and, where positions
    repeat, by what else tells the repetitions apart: phase, acquisition, time. Parts come in a
    fixed order, whatever the order of the instances.
    """
    chosen = Remedies(**remedies)
    broken = []
    planes: list[Plane] = []
    for instance in sorted(instances, key=lambda one: one.sop_instance_uid):
        try:
            planes.extend(planes_of(instance))
        except DicomlabError as error:
            broken.append(Examined(None, error, {}, (instance.sop_instance_uid,)))
    found = [
        one
        for hard in hard_parts(planes)
        for part in _softly(hard, chosen)
        for one in _examined(part, chosen)
    ]
    return found + broken


def volumes(
    instances: Iterable[InstanceData],
    *,
    skip_refused: bool = False,
    **remedies: Unpack[RemedyOptions],
) -> list[Volume]:
    """Return the volumes of a series, each a regular grid.

    Parameters
    ----------
    instances
        Of one series, in any order; those without pixels are left out.
    skip_refused
        Leave out what forms no grid. Otherwise one refused part is an error, so that nothing is
        lost in silence; `examine` gives all parts with their reasons.
    remedies
        What may be done about planes that form no regular grid, as `Remedies` says.

    Raises
    ------
    GeometryError
        A part forms no regular grid, or (with `skip_refused`) none does.
    UnsupportedError
        A part holds colours, or anything else that is no volume of single values.
    NotFoundError
        No instance has pixels.
    """
    parts = examine(instances, **remedies)
    if not parts:
        raise NotFoundError("The series has no instance with pixel data.")
    made = [part.volume for part in parts if part.volume is not None]
    refused = [part.refusal for part in parts if part.refusal is not None]
    if refused and not (skip_refused and made):
        _raise(refused[0], parts)
    return made


def volume(instances: Iterable[InstanceData], **remedies: Unpack[RemedyOptions]) -> Volume:
    """Return the one volume that a series is.

    Raises
    ------
    GeometryError
        There are several volumes, which the message lists, or none.
    """
    parts = examine(instances, **remedies)
    if not parts:
        raise NotFoundError("The series has no instance with pixel data.")
    made = [part.volume for part in parts if part.volume is not None]
    if len(parts) == 1 or not made:
        if parts[0].refusal is not None:
            _raise(parts[0].refusal, parts)
        return made[0]
    told = "; ".join(_told(part) for part in parts[:20])
    raise GeometryError(
        f"The series is no single volume; it holds {len(made)}, and {len(parts) - len(made)} parts "
        f"that form none: {told}{' …' if len(parts) > 20 else ''}.",
        reason=differs_in(part.split for part in parts),
        numbers={"volumes": len(made), "refused": len(parts) - len(made)},
        remedies=("Choose one of volumes(skip_refused=True).",),
    )


def _told(part: Examined) -> str:
    if part.volume is not None:
        return part.volume.summary
    reason = getattr(part.refusal, "reason", "") or "unsupported"
    return f"{len(part.sop_instance_uids)} instance(s) refused: {reason}"


def _raise(error: DicomlabError, parts: Sequence[Examined]) -> NoReturn:
    if len(parts) > 1:
        refused = sum(part.refusal is not None for part in parts)
        error.add_note(
            f"{refused} of {len(parts)} parts of the series form no volume; skip_refused=True "
            "opens the others, examine() gives all reasons."
        )
    raise error


def _softly(part: Part, remedies: Remedies) -> list[Part]:
    try:
        return soft_parts(part, tolerance_mm=remedies.tolerance_mm, split_by=remedies.split_by)
    except GeometryError:
        # Orientation that is none: said again, with its part, when the grid is tried.
        return [part]


def _examined(part: Part, remedies: Remedies) -> list[Examined]:
    """Return the volume of a part, or of its pieces, or why there is none."""
    kept = part
    try:
        if remedies.duplicates == "first":
            kept = _without_duplicates(part, remedies.tolerance_mm)
        try:
            return [_opened(kept, _stack(kept, remedies))]
        except GeometryError as error:
            if remedies.gaps != "split" or error.reason not in (Defect.GAP, Defect.UNEVEN_SPACING):
                raise
        return [
            one
            for piece in _between_gaps(kept)
            for one in _examined(piece, replace(remedies, gaps="refuse"))
        ]
    except DicomlabError as error:
        return [Examined(None, error, part.split, _uids(part))]


def _uids(part: Part) -> tuple[str, ...]:
    return tuple(dict.fromkeys(plane.instance.sop_instance_uid for plane in part.planes))


def _stack(part: Part, remedies: Remedies) -> Stack:
    first = part.planes[0]
    without = [plane for plane in part.planes if len(plane.position) != 3]
    for found, keyword, tag, reason in (
        (not without, "ImagePositionPatient", 0x00200032, Defect.MISSING_POSITION),
        (first.orientation, "ImageOrientationPatient", 0x00200037, Defect.MISSING_ORIENTATION),
        (first.pixel_spacing_mm, "PixelSpacing", 0x00280030, Defect.MISSING_SPACING),
    ):
        if not found:
            count = len(without) if keyword == "ImagePositionPatient" else len(part.planes)
            raise GeometryError(
                f"{keyword} {tag_text(tag)} is absent from {count} of {len(part.planes)} frames: "
                "nothing says where they lie.",
                reason=reason,
                tag=tag,
                reference="PS3.3 C.7.6.2",
                remedies=("Open the frames as pictures instead.",),
            )
    return stack_planes(
        [plane.position for plane in part.planes],
        first.orientation,
        first.pixel_spacing_mm,
        (first.description.rows, first.description.columns),
        tolerance_mm=remedies.tolerance_mm,
        allow_tilt=remedies.allow_tilt,
        slice_spacing_mm=remedies.slice_spacing_mm or first.reach_mm,
    )


def _along_normal(part: Part) -> NDArray[np.float64]:
    distances: NDArray[np.float64] = np.array(
        [plane.position for plane in part.planes]
    ) @ slice_normal(part.planes[0].orientation)
    return distances


def _without_duplicates(part: Part, tolerance_mm: float) -> Part:
    """Keep the first plane of each place; planes come in the order of their UIDs."""
    if any(len(plane.position) != 3 for plane in part.planes):
        return part
    seen: dict[int, Plane] = {}
    places = places_along_normal(part.planes, tolerance_mm)
    for plane in part.planes:
        seen.setdefault(places[id(plane)], plane)
    return Part(tuple(seen.values()), part.split)


def _between_gaps(part: Part) -> list[Part]:
    """Cut a part where a gap is wider than one and a half times the median."""
    distances = _along_normal(part)
    order = np.argsort(distances, kind="stable")
    gaps = np.diff(distances[order])
    cuts = np.flatnonzero(gaps > 1.5 * np.median(gaps)) + 1
    pieces = np.split(order, cuts)
    return [
        Part(
            tuple(part.planes[int(index)] for index in piece),
            {**part.split, "part": number + 1} if len(pieces) > 1 else part.split,
        )
        for number, piece in enumerate(pieces)
    ]


def _opened(part: Part, stack: Stack) -> Examined:
    planes = [part.planes[int(index)] for index in stack.order]
    first = planes[0]
    attributes = first.attributes
    modality = attributes.string("Modality") or ""
    description = first.description
    rescale = [_rescale(plane) for plane in planes]
    stored = [
        StoredPlane(plane.instance.sop_instance_uid, plane.frames, plane.frame, plane.description)
        for plane in planes
    ]
    made = Volume(
        DicomSliceReader(stored),
        stack.grid,
        np.array([slope for slope, _ in rescale]),
        np.array([intercept for _, intercept in rescale]),
        units=_units(first, modality),
        modality=modality,
        series_description=attributes.string("SeriesDescription") or "",
        series_instance_uid=attributes.string("SeriesInstanceUID") or "",
        study_instance_uid=attributes.string("StudyInstanceUID") or "",
        frame_of_reference_uid=attributes.string("FrameOfReferenceUID"),
        sop_instance_uids=tuple(plane.sop_instance_uid for plane in stored),
        frame_numbers=tuple(plane.frame + 1 for plane in stored),
        split=dict(part.split),
        windows=voi_windows(first.macro("FrameVOILUTSequence") or attributes),
        suv=_suv(planes) if modality == "PT" else None,
        pixel_padding_value=_padding(first),
        photometric_interpretation=description.photometric_interpretation,
        bits_stored=description.bits_stored,
    )
    return Examined(made, None, part.split, _uids(part))


def _rescale(plane: Plane) -> tuple[float, float]:
    """Return slope and intercept of a plane (PS3.3 C.11.1, C.7.6.16.2.9, C.8.8.3)."""
    scaling = plane.attributes.number("DoseGridScaling")
    if scaling is not None:
        return scaling, 0.0
    values = plane.macro("PixelValueTransformationSequence") or plane.attributes
    slope, intercept = values.number("RescaleSlope"), values.number("RescaleIntercept")
    slope = 1.0 if slope is None else slope
    intercept = 0.0 if intercept is None else intercept
    if not _LEAST <= abs(slope) <= _MOST or not abs(intercept) <= _MOST:
        raise NonConformantError(
            "RescaleSlope (0028,1053) must be a number other than 0, RescaleIntercept (0028,1052) "
            "a number, both of a size that single precision holds (PS3.3 C.11.1). Correct the "
            "instance at its source.",
            reason="bad-rescale",
            tag=0x00281053,
            reference="PS3.3 C.11.1",
        )
    return slope, intercept


def _units(plane: Plane, modality: str) -> str:
    """Return what the modality values are measured in, ``""`` where nothing says so."""
    attributes = plane.attributes
    for keyword in ("DoseUnits", "Units"):
        value = attributes.string(keyword)
        if value:
            return value
    values = plane.macro("PixelValueTransformationSequence") or attributes
    kind = values.string("RescaleType")
    if kind is None and modality == "CT":
        return "HU"  # PS3.3 C.8.2.1: the default of original CT images.
    return "" if kind in (None, "US") else str(kind)


def _padding(plane: Plane) -> int | None:
    """Return Pixel Padding Value, which has the sign of the pixels (PS3.3 C.7.5.1.1.2)."""
    value = plane.attributes.integer("PixelPaddingValue")
    description = plane.description
    if value is None or not description.is_signed or value < 0:
        return value
    top = 1 << description.bits_allocated
    return value - top if value >= top // 2 else value


def _suv(planes: Sequence[Plane]) -> SuvInputs:
    attributes = planes[0].attributes
    doses = attributes.items("RadiopharmaceuticalInformationSequence")
    dose: Attributes | None = doses[0] if doses else None
    return SuvInputs(
        patient_weight_kg=attributes.number("PatientWeight"),
        patient_size_m=attributes.number("PatientSize"),
        patient_sex=attributes.string("PatientSex"),
        radionuclide_total_dose_bq=dose.number("RadionuclideTotalDose") if dose else None,
        radionuclide_half_life_s=dose.number("RadionuclideHalfLife") if dose else None,
        radiopharmaceutical_start=(
            dose.string("RadiopharmaceuticalStartDateTime")
            or dose.string("RadiopharmaceuticalStartTime")
            if dose
            else None
        ),
        series_date=attributes.string("SeriesDate"),
        series_time=attributes.string("SeriesTime"),
        acquisition_times=tuple(_acquired(plane.attributes) for plane in planes),
        units=attributes.string("Units"),
        decay_correction=attributes.string("DecayCorrection"),
        corrected_image=attributes.strings("CorrectedImage"),
        decay_factors=tuple(plane.attributes.number("DecayFactor") for plane in planes),
        ge_scan_datetime=_private(attributes, 0x0009, "GEMS_PETD_01", 0x0D) or None,
        philips_suv_factor=_decimal(_private(attributes, 0x7053, _PHILIPS_PET, 0x00)),
        philips_activity_factor=_decimal(_private(attributes, 0x7053, _PHILIPS_PET, 0x09)),
    )


_PHILIPS_PET = "Philips PET Private Group"


def _private(attributes: Attributes, group: int, creator: str, element: int) -> str:
    """Return the text of a private element of a known block (PS3.5 7.8.1); only a header has it."""
    if not isinstance(attributes, Header):
        return ""
    for block in range(0x10, 0x100):
        if attributes.text_of(group << 16 | block).strip() == creator:
            return attributes.text_of(group << 16 | block << 8 | element).strip()
    return ""


def _decimal(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _acquired(attributes: Attributes) -> str | None:
    date, time = attributes.string("AcquisitionDate"), attributes.string("AcquisitionTime")
    return None if time is None else f"{date or ''}{time}"
