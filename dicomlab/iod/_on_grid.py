"""What a computation gave back, checked against the grid that it must lie on."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dicomlab.errors import GeometryError
from dicomlab.geometry import Grid


@runtime_checkable
class Placed(Protocol):
    """An image of ITK: it knows where it lies, axes in the order column, row, slice."""

    def GetOrigin(self) -> object:  # noqa: N802  ITK's names
        """Centre of the first voxel."""

    def GetSpacing(self) -> object:  # noqa: N802
        """Distance of voxel centres."""

    def GetDirection(self) -> object:  # noqa: N802
        """Directions of the axes as columns."""


def on_grid(values: ArrayLike | Placed, grid: Grid) -> NDArray[np.generic]:
    """Return values as an array; those of an ITK image must lie on the grid.

    Raises
    ------
    GeometryError
        The image lies elsewhere: resample it on the volume's grid first.
    """
    found = np.asarray(values)
    if isinstance(values, Placed):
        direction = np.asarray(values.GetDirection(), np.float64).reshape(3, 3)
        affine = np.eye(4)
        affine[:3, :3] = (direction * np.array(list(values.GetSpacing()), np.float64))[:, ::-1]  # type: ignore[call-overload]
        affine[:3, 3] = list(values.GetOrigin())  # type: ignore[call-overload]
        if found.shape[-3:] != grid.shape or not Grid(grid.shape, affine).agrees_with(
            grid, tolerance_mm=0.01
        ):
            raise GeometryError(
                "The ITK image does not lie on the volume's grid: its voxels are other places.",
                reason="other-grid",
                remedies=("Resample it on the volume, by to_itk() as the reference image.",),
            )
    return found
