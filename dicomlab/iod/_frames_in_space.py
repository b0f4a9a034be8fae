"""Where the frames of a multi-frame derived object lie, with planes that may be left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import GeometryError
from dicomlab.geometry import POSITION_TOLERANCE_MM, Grid, slice_normal
from dicomlab.pixels import FunctionalGroups


@dataclass(frozen=True, slots=True, eq=False)
class PlacedFrames:
    """A regular grid, and the slice of it that each frame fills.

    Attributes
    ----------
    grid
        Slices along the normal; those that no frame fills are empty.
    slices
        For each frame, which slice it fills.
    """

    grid: Grid
    slices: NDArray[np.intp]


def placed_frames(groups: FunctionalGroups, frames: int, plane: tuple[int, int]) -> PlacedFrames:
    """Return the grid that frames lie on; empty planes may be absent (PS3.3 C.8.20.3.1).

    Raises
    ------
    GeometryError
        Positions, orientation or spacing are absent or not alike, or no grid holds all planes.
    """
    positions = np.array([_position(groups, frame) for frame in range(frames)])
    orientation = _shared(groups, frames, "PlaneOrientationSequence", "ImageOrientationPatient", 6)
    spacing = _shared(groups, frames, "PixelMeasuresSequence", "PixelSpacing", 2)
    normal = slice_normal(orientation)
    along = positions @ normal
    places = np.unique(np.round(along / POSITION_TOLERANCE_MM) * POSITION_TOLERANCE_MM)
    step = _step(groups, places)
    slices = np.rint((along - along.min()) / step).astype(np.intp)
    across = positions - np.outer(along, normal)
    off = np.abs(along - along.min() - slices * step).max()
    if off > POSITION_TOLERANCE_MM or np.abs(across - across[0]).max() > POSITION_TOLERANCE_MM:
        raise GeometryError(
            f"The {frames} frames lie on no regular grid: one is {off:.3f} mm from its place.",
            reason="uneven-spacing",
            tag=0x00200032,
            reference="PS3.3 C.7.6.16.2.3",
            remedies=("Read them one by one with frame().",),
        )
    affine = np.eye(4)
    affine[:3, 0] = normal * step
    affine[:3, 1] = np.array(orientation[3:]) * spacing[0]
    affine[:3, 2] = np.array(orientation[:3]) * spacing[1]
    affine[:3, 3] = positions[int(along.argmin())]
    return PlacedFrames(Grid((int(slices.max()) + 1, *plane), affine), slices)


def _step(groups: FunctionalGroups, places: NDArray[np.float64]) -> float:
    """Return the distance of neighbouring slices: the least found, or the one declared."""
    measures = groups.macro(0, "PixelMeasuresSequence")
    declared = measures and (
        measures.number("SpacingBetweenSlices") or measures.number("SliceThickness")
    )
    gaps = np.diff(places)
    least = float(gaps.min()) if gaps.size else 0.0
    if declared and declared > 0:
        ratio = gaps / declared
        if (np.abs(ratio - np.rint(ratio)) * declared <= POSITION_TOLERANCE_MM).all():
            return float(declared)
    return least or 1.0


def _position(groups: FunctionalGroups, frame: int) -> tuple[float, ...]:
    macro = groups.macro(frame, "PlanePositionSequence")
    position = macro.numbers("ImagePositionPatient") if macro is not None else ()
    if len(position) != 3:
        raise GeometryError(
            "ImagePositionPatient (0020,0032) is absent from a frame: nothing says where it lies.",
            reason="missing-position",
            tag=0x00200032,
            reference="PS3.3 C.7.6.16.2.3",
            remedies=("Read the frames one by one with frame().",),
        )
    return position


def _shared(
    groups: FunctionalGroups, frames: int, sequence: str, keyword: str, count: int
) -> tuple[float, ...]:
    found = set()
    for frame in range(frames):
        macro = groups.macro(frame, sequence)
        found.add(macro.numbers(keyword) if macro is not None else ())
    values = found.pop()
    if found or len(values) != count:
        raise GeometryError(
            f"{keyword} is absent, or differs from frame to frame: the frames form no grid.",
            reason="mixed-orientation" if found else "missing-orientation",
            reference="PS3.3 C.7.6.16.2",
            remedies=("Read them one by one with frame().",),
        )
    return values


def slices_of(grid: Grid, like: Grid) -> NDArray[np.intp]:
    """Return which slice of `like` each slice of a grid lies on.

    Raises
    ------
    GeometryError
        The planes are not those of `like`.
    """
    slices = grid.shape[0]
    corners = np.array([(0, 0), (0, grid.shape[2] - 1), (grid.shape[1] - 1, 0)], dtype=np.float64)
    points = np.concatenate(
        [np.column_stack((np.full(3, number), corners)) for number in range(slices)]
    )
    there = like.to_index(grid.to_lps(points)).reshape(slices, 3, 3)
    nearest = np.rint(there[:, 0, 0]).astype(np.intp)
    wanted = np.concatenate([np.column_stack((np.full(3, number), corners)) for number in nearest])
    off = np.abs(like.to_lps(wanted) - grid.to_lps(points)).max()
    if grid.shape[1:] != like.shape[1:] or off > 10 * POSITION_TOLERANCE_MM:
        raise GeometryError(
            f"The planes are not those of the volume: {grid.shape[1]} x {grid.shape[2]} pixels "
            f"against {like.shape[1]} x {like.shape[2]}, places up to {off:.3f} mm apart.",
            reason="other-grid",
            remedies=("Take the object on its own grid, without like=, and resample it.",),
        )
    return nearest
