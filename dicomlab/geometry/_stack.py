"""Planes become a grid, or are refused with the reason (PS3.3 C.7.6.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dicomlab.errors import GeometryError
from dicomlab.geometry._defect import Defect
from dicomlab.geometry._grid import Grid

POSITION_TOLERANCE_MM = 0.01
"""Largest departure of a slice centre from the grid that counts as rounding.

Decimal Strings hold 16 characters, but scanners write positions with as few as two or three
decimals: rounding to 0.01 mm moves a centre by 0.005 mm, and both ends of a gap may be rounded.
Among real series of ten makers, even ones depart by 0.0009 mm at the most, others by 0.4 mm.
"""
TILT_TOLERANCE_DEGREES = 0.05
"""Largest angle between the normal and the line of the positions that counts as rounding.

Direction cosines with three decimals are uncertain by 0.03 degrees; gantries tilt by degrees.
Upright stacks of real series lean by 0.001 degrees at the most.
"""
_ORTHONORMAL_TOLERANCE = 2e-3
_SMALLEST_MM, _LARGEST_MM = 1e-6, 1e7
"""What a length may be: below a nanometre or beyond ten kilometres it is a mistake."""
_POSITION_TAG, _ORIENTATION_TAG, _SPACING_TAG = 0x00200032, 0x00200037, 0x00280030
_CLAUSE = "PS3.3 C.7.6.2.1.1"


def slice_normal(orientation: ArrayLike) -> NDArray[np.float64]:
    """Return the unit normal of a plane: the cross product of its row and column direction.

    Parameters
    ----------
    orientation
        Image Orientation (Patient) (0020,0037), six direction cosines.

    Raises
    ------
    GeometryError
        They are no two unit vectors at right angles.
    """
    along_row, along_column = _directions(orientation)
    normal = np.cross(along_row, along_column)
    unit: NDArray[np.float64] = normal / np.linalg.norm(normal)
    return unit


def _directions(orientation: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the unit vectors along a row and along a column."""
    cosines = np.asarray(orientation, dtype=np.float64).reshape(-1)
    if cosines.size != 6 or not (np.abs(cosines) <= 2).all():
        raise GeometryError(
            f"ImageOrientationPatient (0020,0037) holds {cosines.size} usable numbers, expected 6 "
            f"({_CLAUSE}).",
            reason=Defect.MISSING_ORIENTATION,
            tag=_ORIENTATION_TAG,
            reference=_CLAUSE,
            remedies=("Correct it at its source, or leave the instance out.",),
        )
    along_row, along_column = cosines[:3], cosines[3:]
    lengths = float(np.linalg.norm(along_row)), float(np.linalg.norm(along_column))
    cosine = float(along_row @ along_column)
    worst = max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(cosine))
    if worst > _ORTHONORMAL_TOLERANCE:
        raise GeometryError(
            "ImageOrientationPatient (0020,0037) must hold two unit vectors at right angles; "
            f"their lengths are {lengths[0]:.6g} and {lengths[1]:.6g}, the cosine between them is "
            f"{cosine:.6g} ({_CLAUSE}).",
            reason=Defect.NOT_ORTHONORMAL,
            tag=_ORIENTATION_TAG,
            reference=_CLAUSE,
            numbers={"departure": worst},
            remedies=("Correct it at its source, or leave the instance out.",),
        )
    return along_row / lengths[0], along_column / lengths[1]


def even_spacing(
    distances: NDArray[np.float64], *, tolerance_mm: float = POSITION_TOLERANCE_MM
) -> float:
    """Return the one spacing that all slices share, or refuse (PS3.3 C.7.6.2.1.1).

    Parameters
    ----------
    distances
        Slice positions along the slice normal, shape (n,), mm, in any order.
    tolerance_mm
        Largest distance of a slice from its place on the even grid between the first and the last.

    Returns
    -------
    float
        Distance between neighbouring slice centres, mm; not Slice Thickness (0018,0050): slices
        may overlap or leave gaps.

    Raises
    ------
    GeometryError
        Fewer than two slices, two slices in one place, a missing slice, or uneven gaps.
    """
    ordered = np.sort(distances)
    gaps = np.diff(ordered)
    if gaps.size == 0:
        raise GeometryError(
            "A spacing needs two or more slices, each in its own place; there is one.",
            reason=Defect.SINGLE_SLICE,
            tag=_POSITION_TAG,
            reference=_CLAUSE,
            remedies=("Give slice_spacing_mm.",),
        )
    if gaps.min() <= tolerance_mm:
        raise _duplicates(int((gaps <= tolerance_mm).sum()), len(ordered), tolerance_mm)
    spacing = float(ordered[-1] - ordered[0]) / gaps.size
    departure = np.abs(ordered - ordered[0] - spacing * np.arange(len(ordered)))
    if departure.max() > tolerance_mm:
        raise _uneven(gaps, float(departure.max()), tolerance_mm)
    return spacing


def _duplicates(pairs: int, slices: int, tolerance_mm: float) -> GeometryError:
    return GeometryError(
        f"{pairs} of {slices} slices lie where another one does, and no attribute tells them apart "
        f"({_CLAUSE}).",
        reason=Defect.DUPLICATE_POSITION,
        tag=_POSITION_TAG,
        reference=_CLAUSE,
        numbers={"duplicates": pairs, "slices": slices, "tolerance_mm": tolerance_mm},
        remedies=(
            (
                'Name the attribute that does with split_by="Keyword", or keep one of each with '
                'duplicates="first".'
            ),
        ),
    )


def _uneven(gaps: NDArray[np.float64], departure: float, tolerance_mm: float) -> GeometryError:
    """Return the error for gaps that differ: slices missing, or spacing uneven."""
    median = float(np.median(gaps))
    worst = float(gaps[np.abs(gaps - median).argmax()])
    multiples = np.rint(gaps / median)
    slack = 2 * tolerance_mm + 1e-3 * gaps
    is_gap = bool((multiples >= 1).all() and (np.abs(gaps - multiples * median) <= slack).all())
    numbers = {
        "median_gap_mm": median,
        "worst_gap_mm": worst,
        "departure_mm": departure,
        "tolerance_mm": tolerance_mm,
    }
    if is_gap and multiples.max() > 1:
        missing = int(multiples.sum() - multiples.size)
        return GeometryError(
            f"{missing} slice(s) are missing: one gap is {worst:.3f} mm, the median gap is "
            f"{median:.3f} mm. See ImagePositionPatient (0020,0032).",
            reason=Defect.GAP,
            tag=_POSITION_TAG,
            reference=_CLAUSE,
            numbers={**numbers, "missing_slices": missing},
            remedies=('Retrieve the series again, or open its parts with gaps="split".',),
        )
    return GeometryError(
        f"Slices are unevenly spaced: one gap is {worst:.3f} mm, the median gap is {median:.3f} "
        f"mm, and a slice lies {departure:.3f} mm from its place on an even grid.",
        reason=Defect.UNEVEN_SPACING,
        tag=_POSITION_TAG,
        reference=_CLAUSE,
        numbers=numbers,
        remedies=(
            (
                "Check ImagePositionPatient (0020,0032), raise tolerance_mm "
                f'(now {tolerance_mm:g}), or open even parts with gaps="split".'
            ),
        ),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Planes in their order along the normal, and the grid that they form.

    Attributes
    ----------
    order
        Which of the given planes each slice is, shape (slices,).
    """

    order: NDArray[np.intp]
    grid: Grid


def stack_planes(
    positions: ArrayLike,
    orientation: ArrayLike,
    pixel_spacing_mm: ArrayLike,
    plane_shape: tuple[int, int],
    *,
    tolerance_mm: float = POSITION_TOLERANCE_MM,
    allow_tilt: bool = False,
    slice_spacing_mm: float | None = None,
) -> Stack:
    """Return the grid that parallel planes of one size form, or refuse (PS3.3 C.7.6.2.1.1).

    Slices are ordered by their position along the normal, never by number or name. The affine goes
    through the first and the last position exactly.

    Parameters
    ----------
    positions
        Image Position (Patient) (0020,0032) of each plane, shape (n, 3), in any order.
    orientation
        Image Orientation (Patient) (0020,0037), shared by all.
    pixel_spacing_mm
        Pixel Spacing (0028,0030): between rows, between columns.
    plane_shape
        Rows and columns.
    tolerance_mm
        Largest departure of a slice from the grid.
    allow_tilt
        Take positions that do not follow the normal: the affine is exact, its axes are not at right
        angles.
    slice_spacing_mm
        Used where there is one plane only.

    Raises
    ------
    GeometryError
        There is no such grid; `reason` says why.
    """
    places = _positions(positions)
    along_row, along_column = _directions(orientation)
    normal = slice_normal(orientation)
    spacing = _pixel_spacing(pixel_spacing_mm)
    distances = places @ normal
    order = np.argsort(distances, kind="stable")
    first, last = places[order[0]], places[order[-1]]
    if len(places) == 1:
        step = normal * _thickness(slice_spacing_mm)
    else:
        even_spacing(distances, tolerance_mm=tolerance_mm)
        step = (last - first) / (len(places) - 1)
        _check_line(places[order], step, normal, tolerance_mm, allow_tilt=allow_tilt)
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = along_column * spacing[0]
    affine[:3, 2] = along_row * spacing[1]
    affine[:3, 3] = first
    return Stack(order, Grid((len(places), *plane_shape), affine))


def _positions(positions: ArrayLike) -> NDArray[np.float64]:
    places = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    if not len(places) or not (np.abs(places) <= _LARGEST_MM).all():
        raise GeometryError(
            "ImagePositionPatient (0020,0032) must hold three numbers for each plane.",
            reason=Defect.MISSING_POSITION,
            tag=_POSITION_TAG,
            reference=_CLAUSE,
            remedies=("Correct it at its source, or leave the instance out.",),
        )
    return places


def _pixel_spacing(pixel_spacing_mm: ArrayLike) -> NDArray[np.float64]:
    spacing = np.asarray(pixel_spacing_mm, dtype=np.float64).reshape(-1)
    if spacing.size != 2 or not ((spacing >= _SMALLEST_MM) & (spacing <= _LARGEST_MM)).all():
        raise GeometryError(
            "PixelSpacing (0028,0030) must hold two lengths above 0 (PS3.3 10.7.1.3).",
            reason=Defect.MISSING_SPACING,
            tag=_SPACING_TAG,
            reference="PS3.3 10.7.1.3",
            remedies=("Correct it at its source, or leave the instance out.",),
        )
    return spacing


def _thickness(slice_spacing_mm: float | None) -> float:
    if slice_spacing_mm is None or not _SMALLEST_MM <= slice_spacing_mm <= _LARGEST_MM:
        raise GeometryError(
            "There is one slice, and neither SpacingBetweenSlices (0018,0088) nor SliceThickness "
            "(0018,0050) says how far it reaches.",
            reason=Defect.SINGLE_SLICE,
            tag=0x00180050,
            reference=_CLAUSE,
            remedies=("Give slice_spacing_mm.",),
        )
    return slice_spacing_mm


def _check_line(
    places: NDArray[np.float64],
    step: NDArray[np.float64],
    normal: NDArray[np.float64],
    tolerance_mm: float,
    *,
    allow_tilt: bool,
) -> None:
    """Refuse slices that lie beside the line from the first to the last, or a line that tilts."""
    expected = places[0] + np.arange(len(places))[:, None] * step
    departure = float(np.linalg.norm(places - expected, axis=1).max())
    if departure > tolerance_mm:
        raise GeometryError(
            f"Slices are shifted against each other in their planes: one lies {departure:.3f} mm "
            "from the line of the others.",
            reason=Defect.TILT,
            tag=_POSITION_TAG,
            reference=_CLAUSE,
            numbers={"departure_mm": departure, "tolerance_mm": tolerance_mm},
            remedies=(
                (
                    "Check ImagePositionPatient (0020,0032), or raise tolerance_mm "
                    f"(now {tolerance_mm:g})."
                ),
            ),
        )
    sideways = float(np.linalg.norm(step - (step @ normal) * normal))
    angle = float(np.degrees(np.arctan2(sideways, step @ normal)))
    # Over a short stack rounded positions alone make an angle.
    drift = sideways * (len(places) - 1)
    if angle > TILT_TOLERANCE_DEGREES and drift > tolerance_mm and not allow_tilt:
        raise GeometryError(
            f"The stack is tilted: its positions leave the normal of the planes by {angle:.2f} "
            "degrees (gantry tilt, or shear).",
            reason=Defect.TILT,
            tag=_POSITION_TAG,
            reference=_CLAUSE,
            numbers={"tilt_degrees": angle, "drift_mm": drift, "tolerance_mm": tolerance_mm},
            remedies=(
                (
                    "Open it with allow_tilt=True: the affine is exact, its axes are not at right "
                    "angles."
                ),
            ),
        )
