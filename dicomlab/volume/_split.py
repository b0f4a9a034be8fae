"""Planes of one series are told apart until each part can be one grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dicomlab.geometry import Defect, slice_normal
from dicomlab.standard import attribute
from dicomlab.volume._planes import Plane
from dicomlab.volume._volume import SplitValue

_COSINE_TOLERANCE = 1e-4
"""Cosines are written with six decimals or so; 1e-4 moves the far corner of 500 mm by 0.05 mm."""
_SPACING_TOLERANCE = 1e-4
_WHOLE_VRS = frozenset(("IS", "US", "SS", "UL", "SL", "UV", "SV"))
_BY_VALUE = (
    "ImageType",
    "ReferencedSegmentNumber",
    "EchoNumbers",
    "EchoTime",
    "EffectiveEchoTime",
    "InversionTime",
    "InversionTimes",
    "DiffusionBValue",
    "DiffusionDirectionality",
    "DiffusionGradientOrientation",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "TemporalPositionTimeOffset",
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "PhaseNumber",
    "FlipAngle",
    "ConvolutionKernel",
    "StackID",
    "AcquisitionNumber",
    "FrameAcquisitionNumber",
    "DimensionIndexValues",
    "FrameReferenceTime",
)
"""What a part can differ in, in the order in which it is tried."""
_CONTRASTS = (
    "ImageType",
    "ReferencedSegmentNumber",
    "EchoNumbers",
    "EchoTime",
    "EffectiveEchoTime",
    "InversionTime",
    "InversionTimes",
    "DiffusionBValue",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "FlipAngle",
    "ConvolutionKernel",
)
"""What the slices of one volume share, even where no position repeats.

Acquisition and times are none of them: one volume is often acquired in several steps.
"""
_BY_RANK = (
    "TriggerTime",
    "FrameReferenceTime",
    "FrameAcquisitionDateTime",
    "AcquisitionDateTime",
    "AcquisitionTime",
)
"""Times differ from slice to slice too: the n-th at each position belong together."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Planes that may be one grid, and what tells them from the rest of the series."""

    planes: tuple[Plane, ...]
    split: Mapping[str, SplitValue]


def hard_parts(planes: Sequence[Plane]) -> list[Part]:
    """Split by what no grid can mix: orientation, size, spacing, type of pixels, localizer.

    What a part differs in stands in its `split` by the attribute's keyword.
    """
    keys: dict[str, Callable[[Plane], Hashable]] = {
        "FrameOfReferenceUID": lambda p: p.attributes.string("FrameOfReferenceUID"),
        "Rows": lambda p: p.description.rows,
        "Columns": lambda p: p.description.columns,
        "BitsAllocated": lambda p: (
            p.description.bits_allocated, p.description.bits_stored, p.description.is_signed,
            p.description.is_float, p.description.photometric_interpretation,
        ),
        "ImageOrientationPatient": _Clusters(_COSINE_TOLERANCE, lambda p: p.orientation),
        "PixelSpacing": _Clusters(_SPACING_TOLERANCE, lambda p: p.pixel_spacing_mm),
        "Localizer": lambda p: "LOCALIZER" in p.attributes.strings("ImageType"),
    }  # fmt: skip
    parts: dict[tuple[Hashable, ...], list[Plane]] = {}
    for plane in planes:
        parts.setdefault(tuple(key(plane) for key in keys.values()), []).append(plane)
    differing = [
        place for place, _ in enumerate(keys) if len({values[place] for values in parts}) > 1
    ]
    names = list(keys)
    return [
        Part(tuple(group), {names[place]: _shown(names[place], group[0]) for place in differing})
        for group in parts.values()
    ]


def differs_in(splits: Iterable[Mapping[str, SplitValue]]) -> Defect:
    """Return the reason why parts that were split by `hard_parts` are no single grid."""
    named = {name for split in splits for name in split}
    for names, defect in (
        (("ImageOrientationPatient",), Defect.MIXED_ORIENTATION),
        (("Rows", "Columns"), Defect.UNLIKE_SIZES),
        (("PixelSpacing",), Defect.UNLIKE_SPACING),
        (("BitsAllocated", "FrameOfReferenceUID"), Defect.UNLIKE_PIXELS),
    ):
        if named.intersection(names):
            return defect
    return Defect.SEVERAL_VOLUMES


def _shown(name: str, plane: Plane) -> SplitValue:
    if name == "ImageOrientationPatient":
        return plane.orientation
    if name == "PixelSpacing":
        return plane.pixel_spacing_mm
    if name == "FrameOfReferenceUID":
        return plane.attributes.string(name) or ""
    if name == "Localizer":
        return int("LOCALIZER" in plane.attributes.strings("ImageType"))
    value: int = getattr(
        plane.description, {"Rows": "rows", "Columns": "columns"}.get(name, "bits_allocated")
    )
    return value


class _Clusters:
    """Gives planes whose numbers agree within a tolerance the same key."""

    def __init__(self, tolerance: float, numbers: Callable[[Plane], tuple[float, ...]]) -> None:
        self._tolerance = tolerance
        self._numbers = numbers
        self._seen: dict[tuple[float, ...], int] = {}

    def __call__(self, plane: Plane) -> int:
        numbers = self._numbers(plane)
        known = self._seen.get(numbers)
        if known is not None:
            return known
        for other, cluster in list(self._seen.items()):
            if len(other) == len(numbers) and all(
                abs(a - b) <= self._tolerance for a, b in zip(numbers, other, strict=True)
            ):
                self._seen[numbers] = cluster
                return cluster
        self._seen[numbers] = len(set(self._seen.values()))
        return self._seen[numbers]


def soft_parts(part: Part, *, tolerance_mm: float, split_by: str | None = None) -> list[Part]:
    """Split a part by contrast, and where positions repeat by what tells the repetitions apart.

    Parameters
    ----------
    tolerance_mm
        Positions nearer to each other than this are one.
    split_by
        Keyword of the attribute to split by first, whatever it is.
    """
    if any(len(plane.position) != 3 or len(plane.orientation) != 6 for plane in part.planes):
        return [part]
    return _told_apart(part, places_along_normal(part.planes, tolerance_mm), split_by)


def places_along_normal(planes: Sequence[Plane], tolerance_mm: float) -> dict[int, int]:
    """Return for the id of each plane which place along the normal it lies in, from 0."""
    normal = slice_normal(planes[0].orientation)
    distances = np.array([plane.position for plane in planes]) @ normal
    order = np.argsort(distances, kind="stable")
    numbers = np.concatenate(([0], np.cumsum(np.diff(distances[order]) > tolerance_mm)))
    return {id(planes[int(at)]): int(number) for at, number in zip(order, numbers, strict=True)}


def _told_apart(part: Part, places: Mapping[int, int], split_by: str | None) -> list[Part]:
    repeats = max(Counter(places[id(plane)] for plane in part.planes).values())
    if repeats == 1 and split_by is None:
        return _by_contrast(part)
    if split_by is not None:
        parts = _by_value(part, split_by)
        if not _alike(parts, places):
            parts = _by_rank(part, split_by, places) or parts
        return [small for each in parts for small in _told_apart(each, places, None)]
    for keyword in _BY_VALUE:
        parts = _by_value(part, keyword)
        if len(parts) > 1 and _repeats(parts, places) < repeats and _alike(parts, places):
            return [small for each in parts for small in _told_apart(each, places, None)]
    for keyword in (*_BY_RANK, *_numbered(part, repeats)):
        ranked = _by_rank(part, keyword, places)
        if ranked is not None:
            return ranked
    for keyword in _BY_VALUE:
        # Parts that do not cover the same places: a second series within the series.
        parts = _by_value(part, keyword)
        if 1 < len(parts) < len(part.planes) and _repeats(parts, places) < repeats:
            return [small for each in parts for small in _told_apart(each, places, None)]
    return [part]


def _by_contrast(part: Part) -> list[Part]:
    """Split planes of several contrasts that lie in different places.

    What differs in every plane belongs to the slices: it is no contrast.
    """
    # Most are in no header of a CT: thousands of planes need not be asked for each.
    is_plain = all(plane.groups is None for plane in part.planes)
    for keyword in _CONTRASTS:
        if is_plain and not any(keyword in plane.attributes for plane in part.planes):
            continue
        parts = _by_value(part, keyword)
        if 1 < len(parts) < len(part.planes):
            return [small for each in parts for small in _by_contrast(each)]
    return [part]


def _numbered(part: Part, repeats: int) -> tuple[str, ...]:
    """Return the instance number as a rank where the series declares so many temporal positions.

    GE writes functional series with one acquisition time for all and no temporal position of each;
    only the instance number tells the order of the repetitions. It never orders slices.
    """
    declared = {plane.attributes.number("NumberOfTemporalPositions") for plane in part.planes}
    return ("InstanceNumber",) if declared == {repeats} else ()


def _repeats(parts: Iterable[Part], places: Mapping[int, int]) -> int:
    return max(max(Counter(places[id(p)] for p in part.planes).values()) for part in parts)


def _alike(parts: Sequence[Part], places: Mapping[int, int]) -> bool:
    """Return whether all parts cover the same places."""
    return len({frozenset(places[id(p)] for p in part.planes) for part in parts}) == 1


def _by_value(part: Part, keyword: str) -> list[Part]:
    groups: dict[str | tuple[float, ...], list[Plane]] = {}
    for plane in part.planes:
        groups.setdefault(plane.label(keyword), []).append(plane)
    if len(groups) == 1:
        return [part]
    return [
        Part(tuple(planes), {**part.split, keyword: _plain(keyword, value)})
        for value, planes in sorted(groups.items(), key=lambda group: _sortable(group[0]))
    ]


def _by_rank(part: Part, keyword: str, places: Mapping[int, int]) -> list[Part] | None:
    """Split by the rank of a value among the planes of each place, ``None`` where that is unclear.

    Every place must hold as many planes as any other, with values that all differ.
    """
    columns: dict[int, list[tuple[tuple[int, str, tuple[float, ...]], Plane]]] = {}
    for plane in part.planes:
        value = plane.label(keyword)
        if value in ("", ()):
            return None
        columns.setdefault(places[id(plane)], []).append((_sortable(value), plane))
    depth = len(next(iter(columns.values())))
    for column in columns.values():
        if len(column) != depth or len({value for value, _ in column}) != depth:
            return None
        column.sort(key=lambda pair: pair[0])
    first = min(columns.items())[1]
    return [
        Part(
            tuple(column[rank][1] for column in columns.values()),
            {**part.split, keyword: _plain(keyword, first[rank][1].label(keyword))},
        )
        for rank in range(depth)
    ]


def _plain(keyword: str, value: str | tuple[float, ...]) -> SplitValue:
    """Return a label as users read it: one number by itself, whole where the VR is whole."""
    if not isinstance(value, tuple) or len(value) != 1:
        return value
    is_whole = attribute(keyword).vr in _WHOLE_VRS and value[0].is_integer()
    return int(value[0]) if is_whole else value[0]


def _sortable(value: str | tuple[float, ...]) -> tuple[int, str, tuple[float, ...]]:
    return (0, "", value) if isinstance(value, tuple) else (1, value, ())
