"""Where pixels lie: LPS millimetres, affines, slice order and regular grids. NumPy alone."""

from dicomlab.geometry._defect import Defect
from dicomlab.geometry._grid import Grid
from dicomlab.geometry._polygons import Polygon, mask_outlines, polygon_mask
from dicomlab.geometry._sample import trilinear
from dicomlab.geometry._stack import (
    POSITION_TOLERANCE_MM,
    TILT_TOLERANCE_DEGREES,
    Stack,
    even_spacing,
    slice_normal,
    stack_planes,
)

__all__ = [
    "POSITION_TOLERANCE_MM",
    "TILT_TOLERANCE_DEGREES",
    "Defect",
    "Grid",
    "Polygon",
    "Stack",
    "even_spacing",
    "mask_outlines",
    "polygon_mask",
    "slice_normal",
    "stack_planes",
    "trilinear",
]
