"""How a volume is laid out: the levels of its pyramid and their chunks."""

from __future__ import annotations

from dataclasses import dataclass

from dicomlab.geometry import Grid

CHUNK_DEPTH = 32
CHUNK_WIDTH = 128
SLAB_BYTES = 64 * 2**20
COARSEST_VOXELS = 2**19


@dataclass(frozen=True)
class Level:
    """One level of the pyramid.

    Attributes
    ----------
    path
        Name of its array in the group.
    grid
        Where its voxels lie.
    chunks
        Shape of a chunk: slices, rows, columns.
    factors
        How many voxels of the level before make one of this, along each axis.
    """

    path: str
    grid: Grid
    chunks: tuple[int, int, int]
    factors: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        return self.grid.shape


def plan(grid: Grid, itemsize: int, *, levels: int | None = None) -> tuple[Level, ...]:
    """Return the levels of a pyramid, the full resolution first.

    Each level has half the voxels of the one before along each axis, rounded up; an axis of one
    voxel stays as it is. Chunks are near 32 x 128 x 128, so that planes along all three axes are
    quick; neighbours share an axis evenly, in even numbers, so that no block of the next level
    straddles two chunks.

    Parameters
    ----------
    grid
        Of the full resolution.
    itemsize
        Bytes of a voxel. Chunks are thinner where planes are so large that 32 of them need more
        than 64 MB.
    levels
        How many; by default as many as it takes to come down to 2**19 voxels.
    """
    if levels is not None and levels < 1:
        raise ValueError(f"levels must be at least 1, found {levels}")
    depth = CHUNK_DEPTH
    while depth > 2 and depth * grid.shape[1] * grid.shape[2] * itemsize > SLAB_BYTES:
        depth //= 2
    planned = [_level(0, grid, depth, (1, 1, 1))]
    while len(planned) < levels if levels is not None else _voxels(grid) > COARSEST_VOXELS:
        slices, rows, columns = (min(size, 2) for size in grid.shape)
        grid = grid.downsampled((slices, rows, columns))
        planned.append(_level(len(planned), grid, depth, (slices, rows, columns)))
    return tuple(planned)


def _level(number: int, grid: Grid, depth: int, factors: tuple[int, int, int]) -> Level:
    slices, rows, columns = grid.shape
    chunks = (min(slices, depth), _share(rows), _share(columns))
    return Level(str(number), grid, chunks, factors)


def _share(size: int) -> int:
    """Return the width of a chunk along an axis of `size` voxels."""
    if size <= CHUNK_WIDTH:
        return size
    parts = -(-size // CHUNK_WIDTH)
    share = -(-size // parts)
    return share + share % 2


def _voxels(grid: Grid) -> int:
    slices, rows, columns = grid.shape
    return slices * rows * columns
