"""Where the pixels of a phantom lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Stack:
    """Axial planes of rows and columns, centred on the origin.

    Attributes
    ----------
    shape
        (slice, row, column).
    spacing_mm
        In the same order.
    """

    shape: tuple[int, int, int]
    spacing_mm: Triple

    @classmethod
    def filling(
        cls,
        shape: tuple[int, int, int],
        spacing_mm: Triple | None,
        field_of_view_mm: Triple,
    ) -> Stack:
        """Return a stack; without a spacing it fills the field of view, in square pixels.

        Raises
        ------
        ValueError
            No slices, rows or columns, more of them than DICOM can say, or a spacing of nothing.
        """
        for name, count in zip(("slices", "rows", "columns"), shape, strict=True):
            if not 1 <= count <= 65535:
                raise ValueError(f"{name} is {count}: a phantom has 1 to 65535 of them.")
        if spacing_mm is None:
            pixel = field_of_view_mm[1] / max(shape[1:])
            spacing_mm = (round(field_of_view_mm[0] / shape[0], 4), *(round(pixel, 6),) * 2)
        if min(spacing_mm) <= 0:
            raise ValueError(f"spacing_mm is {spacing_mm}: every spacing must be above 0 mm.")
        return cls(shape, spacing_mm)

    @property
    def key(self) -> tuple[float, ...]:
        """What tells it from other stacks."""
        return (*self.shape, *self.spacing_mm)

    @property
    def first_centre(self) -> Triple:
        """Centre of the pixel of lowest (x, y, z)."""
        slices, rows, columns = self.shape
        dz, dy, dx = self.spacing_mm
        return (-(columns - 1) / 2 * dx, -(rows - 1) / 2 * dy, -(slices - 1) / 2 * dz)

    @property
    def x(self) -> NDArray[np.float32]:
        """Positions of the columns."""
        step, first = self.spacing_mm[2], self.first_centre[0]
        return (first + step * np.arange(self.shape[2])).astype(np.float32)

    @property
    def y(self) -> NDArray[np.float32]:
        """Positions of the rows."""
        step, first = self.spacing_mm[1], self.first_centre[1]
        return (first + step * np.arange(self.shape[1])).astype(np.float32)

    def z(self, number: int) -> float:
        """Return the position of a slice, counted from the head down as scanners often do."""
        return self.first_centre[2] + (self.shape[0] - 1 - number) * self.spacing_mm[0]
