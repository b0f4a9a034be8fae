"""The next level of a pyramid: means of blocks of two voxels along each axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SUMS: dict[str, type[np.generic]] = {
    **dict.fromkeys(("int8", "uint8"), np.int16),
    **dict.fromkeys(("int16", "uint16"), np.int32),
    **dict.fromkeys(("int32", "uint32"), np.int64),
    **dict.fromkeys(("float32", "float64"), np.float64),
}


def halve(
    block: NDArray[np.generic], factors: tuple[int, int, int] = (2, 2, 2)
) -> NDArray[np.generic]:
    """Return the means of 2 x 2 x 2 voxels.

    Integers are summed without overflow and rounded to the nearest whole number, halves up:
    ``floor(sum / 8 + 1/2)``. Floating point values are summed in double precision. Where an axis
    has an odd number of voxels, the mean at its end is that of the voxels there are. Padded voxels
    count like any other.

    Parameters
    ----------
    block
        Shape (slice, row, column).
    factors
        2 for each axis to halve, 1 for each to leave.
    """
    kind = block.dtype
    count = factors[0] * factors[1] * factors[2]
    if count == 1:
        return block.copy()
    total = block
    for axis, factor in enumerate(factors):
        if factor == 2:
            total = _pairs(total, axis, _SUMS[kind.name])
    if kind.kind == "f":
        np.divide(total, count, out=total)
    else:
        np.add(total, count // 2, out=total)
        np.right_shift(total, count.bit_length() - 1, out=total)
    return total.astype(kind)


def _pairs(values: NDArray[np.generic], axis: int, kind: type[np.generic]) -> NDArray[np.generic]:
    """Add neighbours along an axis; a last one without a neighbour counts twice."""
    along = [slice(None)] * 3
    along[axis] = slice(0, None, 2)
    first = values[tuple(along)]
    along[axis] = slice(1, None, 2)
    second = values[tuple(along)]
    if values.shape[axis] % 2 == 0:
        pairs: NDArray[np.generic] = np.add(first, second, dtype=kind)
        return pairs
    total: NDArray[np.generic] = first.astype(kind)
    along[axis] = slice(0, second.shape[axis])
    paired = total[tuple(along)]
    np.add(paired, second, out=paired)
    along[axis] = slice(-1, None)
    alone = total[tuple(along)]
    np.add(alone, alone, out=alone)
    return total
