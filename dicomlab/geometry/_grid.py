"""A regular grid of voxels in the patient's space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of a volume lie (PS3.3 C.7.6.2.1.1).

    Array axes are (slice, row, column), points are (x, y, z) in LPS millimetres: x grows to the
    patient's left, y to the back, z to the head. The axes of a tilted stack are not at right
    angles; the affine is exact for it too.

    Attributes
    ----------
    shape
        Number of slices, rows and columns.
    index_to_lps
        Shape (4, 4), read-only: takes (slice, row, column, 1) to (x, y, z, 1) of a voxel's centre.
    """

    shape: tuple[int, int, int]
    index_to_lps: NDArray[np.float64]

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"a grid has three sizes of at least 1, found {self.shape}")
        affine = np.array(self.index_to_lps, dtype=np.float64)
        if affine.shape != (4, 4) or not np.array_equal(affine[3], (0, 0, 0, 1)):
            raise ValueError("index_to_lps must have shape (4, 4) and end in the row 0, 0, 0, 1")
        if not np.isfinite(affine).all() or np.linalg.det(affine[:3, :3]) == 0:
            raise ValueError("index_to_lps must be finite and have an inverse")
        affine.setflags(write=False)
        object.__setattr__(self, "shape", tuple(int(size) for size in self.shape))
        object.__setattr__(self, "index_to_lps", affine)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        return self.shape == other.shape and np.array_equal(self.index_to_lps, other.index_to_lps)

    def __hash__(self) -> int:
        return hash((self.shape, self.index_to_lps.tobytes()))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along slice, row and column axis."""
        slices, rows, columns = np.linalg.norm(self.index_to_lps[:3, :3], axis=0)
        return float(slices), float(rows), float(columns)

    @property
    def origin_lps(self) -> NDArray[np.float64]:
        """Centre of the voxel (0, 0, 0), shape (3,)."""
        return self.index_to_lps[:3, 3]

    @property
    def direction(self) -> NDArray[np.float64]:
        """Unit vectors of the slice, row and column axis as the columns of a (3, 3) array."""
        unit: NDArray[np.float64] = self.index_to_lps[:3, :3] / self.spacing_mm
        return unit

    @property
    def lps_to_index(self) -> NDArray[np.float64]:
        """Inverse of `index_to_lps`, shape (4, 4)."""
        inverse: NDArray[np.float64] = np.linalg.inv(self.index_to_lps).astype(np.float64)
        return inverse

    @property
    def is_orthogonal(self) -> bool:
        """Whether the axes are at right angles (to 1e-4, about 0.006 degrees)."""
        direction = self.direction
        return bool(np.allclose(direction.T @ direction, np.eye(3), rtol=0, atol=1e-4))

    def to_lps(self, indices: ArrayLike) -> NDArray[np.float64]:
        """Return where voxel indices lie: (..., 3) slice, row, column to (..., 3) x, y, z."""
        return _apply(self.index_to_lps, indices)

    def to_index(self, points_lps: ArrayLike) -> NDArray[np.float64]:
        """Return fractional indices of points: (..., 3) x, y, z to (..., 3) slice, row, column."""
        return _apply(self.lps_to_index, points_lps)

    def corners_lps(self) -> NDArray[np.float64]:
        """Return the centres of the eight corner voxels, shape (8, 3), the first one first."""
        last = np.array(self.shape, dtype=np.float64) - 1
        return self.to_lps(np.indices((2, 2, 2)).reshape(3, 8).T * last)

    def agrees_with(self, other: Grid, *, tolerance_mm: float = 1e-3) -> bool:
        """Return whether both have one shape and their corner voxels lie in the same places."""
        if self.shape != other.shape:
            return False
        apart = np.linalg.norm(self.corners_lps() - other.corners_lps(), axis=1)
        return bool(apart.max() <= tolerance_mm)

    def downsampled(
        self, factors: tuple[int, int, int], *, shape: tuple[int, int, int] | None = None
    ) -> Grid:
        """Return the grid whose voxels are means of blocks of this one's.

        Parameters
        ----------
        factors
            Voxels in a block along slice, row and column.
        shape
            Size of the new grid; by default every voxel of this one lies in a block, the last of
            which may be cut short.
        """
        steps = np.array(factors, dtype=np.float64)
        affine = self.index_to_lps.copy()
        affine[:3, :3] *= steps
        affine[:3, 3] += self.index_to_lps[:3, :3] @ ((steps - 1) / 2)
        slices, rows, columns = (
            -(-size // factor) for size, factor in zip(self.shape, factors, strict=True)
        )
        return Grid(shape or (slices, rows, columns), affine)


def _apply(affine: NDArray[np.float64], points: ArrayLike) -> NDArray[np.float64]:
    given = np.asarray(points, dtype=np.float64)
    moved: NDArray[np.float64] = given @ affine[:3, :3].T + affine[:3, 3]
    return moved
