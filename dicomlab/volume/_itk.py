"""The bridge to ITK."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import itk

    from dicomlab.geometry import Grid


def image(values: NDArray[np.generic], grid: Grid) -> itk.Image:
    """Return an ITK image of values on a grid; ITK counts (column, row, slice)."""
    if values.dtype in (np.int64, np.uint64):
        values = values.astype(np.float64)  # ITK's wheels wrap no 64-bit integer images.
    with warnings.catch_warnings():
        # ITK 5.4 loads its modules when they are first used. SWIG's types warn of a missing
        # __module__ then, and where warnings are errors that ends in a segmentation fault.
        warnings.simplefilter("ignore")
        import itk  # noqa: PLC0415  slow to import

        made = itk.image_from_array(values)
        made.SetSpacing([float(size) for size in reversed(grid.spacing_mm)])
        made.SetOrigin([float(value) for value in grid.origin_lps])
        made.SetDirection(itk.matrix_from_array(np.ascontiguousarray(grid.direction[:, ::-1])))
    return made
