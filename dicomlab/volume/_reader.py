"""How the planes of a volume are read."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

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


class ChunkedArray(Protocol):
    """An array on disk from which any block is quick to read, such as one of Zarr."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the blocks that it is stored in."""

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[np.generic]:
        """Read a block."""


@runtime_checkable
class BlockReader(SliceReader, Protocol):
    """Reads any block quickly, not whole planes alone: what it reads from is stored in chunks."""

    @property
    def blocks(self) -> ChunkedArray:
        """The stored values, shape (slice, row, column)."""


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
