"""How the planes of a volume are read."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class SliceReader(Protocol):
    """Reads the stored planes of one volume; several threads may call it at once."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the stored values."""

    def read(self, index: int) -> NDArray[np.generic]:
        """Return one stored plane, shape (row, column)."""

    def read_into(self, start: int, out: NDArray[np.generic]) -> None:
        """Read the planes from `start` into `out`, shape (n, row, column), the quickest way."""


class ArrayReader:
    """Reads planes from an array that is in memory, or behaves as if it were."""

    def __init__(self, array: NDArray[np.generic]) -> None:
        if array.ndim != 3:
            raise ValueError(f"a volume has three axes, the array has {array.ndim}")
        self.planes = array

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        slices, rows, columns = self.planes.shape
        return slices, rows, columns

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the stored values."""
        return self.planes.dtype

    def read(self, index: int) -> NDArray[np.generic]:
        """Return one stored plane."""
        return np.asarray(self.planes[index])

    def read_into(self, start: int, out: NDArray[np.generic]) -> None:
        """Copy planes into `out`."""
        out[...] = self.planes[start : start + len(out)]
