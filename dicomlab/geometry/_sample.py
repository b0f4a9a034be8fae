"""Values between voxels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_EDGE = 1e-6


def trilinear(values: NDArray[np.generic], indices: ArrayLike) -> NDArray[np.float64]:
    """Return values at fractional indices, by linear interpolation along the three axes.

    Parameters
    ----------
    values
        Shape (slice, row, column).
    indices
        Where: (..., 3) slice, row, column.

    Returns
    -------
    ndarray
        NaN for what lies beyond the centres of the outermost voxels.
    """
    where = np.asarray(indices, dtype=np.float64)
    last = np.array(values.shape, dtype=np.float64) - 1
    is_outside = ((where < -_EDGE) | (where > last + _EDGE)).any(axis=-1)
    where = np.clip(where, 0, last)
    low = np.minimum(np.floor(where), np.maximum(last - 1, 0)).astype(np.intp)
    part = where - low
    found = np.zeros(where.shape[:-1])
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, part, 1 - part), axis=-1)
        place = np.minimum(low + corner, last.astype(np.intp))
        found += weight * values[place[..., 0], place[..., 1], place[..., 2]]
    found[is_outside] = np.nan
    return found
