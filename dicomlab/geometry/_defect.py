"""Why planes form no regular grid."""

from __future__ import annotations

from enum import StrEnum


class Defect(StrEnum):
    """Reason of a `dicomlab.errors.GeometryError`."""

    MISSING_POSITION = "missing-position"
    """A plane has no Image Position (Patient) (0020,0032)."""
    MISSING_ORIENTATION = "missing-orientation"
    """A plane has no Image Orientation (Patient) (0020,0037)."""
    MISSING_SPACING = "missing-spacing"
    """A plane has no Pixel Spacing (0028,0030), or none that is a spacing."""
    NOT_ORTHONORMAL = "not-orthonormal"
    """The two directions of a plane are no unit vectors at right angles."""
    MIXED_ORIENTATION = "mixed-orientation"
    """Planes lie in different directions."""
    UNLIKE_SIZES = "unlike-sizes"
    """Planes have different rows or columns."""
    UNLIKE_SPACING = "unlike-spacing"
    """Planes have different pixel spacing."""
    UNLIKE_PIXELS = "unlike-pixels"
    """Stored values of planes differ in type, meaning or frame of reference."""
    DUPLICATE_POSITION = "duplicate-position"
    """Two planes lie in one place, and nothing tells them apart."""
    GAP = "gap"
    """A gap is a multiple of the others: planes are missing."""
    UNEVEN_SPACING = "uneven-spacing"
    """Gaps differ, by no whole multiple."""
    TILT = "tilt"
    """Positions do not follow the normal of the planes: gantry tilt or shear."""
    SINGLE_SLICE = "single-slice"
    """One plane, and nothing says how thick it is."""
    MOSAIC = "mosaic"
    """Many slices are tiled into one plane."""
    SEVERAL_VOLUMES = "several-volumes"
    """There is more than one volume where one was asked for."""
