"""Random numbers that are the same bits everywhere.

PCG64's raw stream and its seeding are frozen by NumPy; NumPy's distributions are not, and the C
library's sine and exponential differ in the last bit. So phantoms draw raw integers and use nothing
but addition, multiplication, division and square root, which IEEE 754 rounds alike on every
machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PAIRS = np.uint64(0x00FF_00FF_00FF_00FF)
_EIGHT = np.uint64(8)
# Eight bytes, each uniform on 0..255, are summed to one sample: the mean is eight times 127.5, the
# variance eight times (256 squared - 1) / 12.
_MEAN = 1020
_DEVIATION = 209.02


def stream(*key: int) -> np.random.PCG64:
    """Return the raw generator of a key; another key gives an independent one."""
    return np.random.PCG64(np.random.SeedSequence([number & 0xFFFF_FFFF for number in key]))


def uniform(generator: np.random.PCG64) -> float:
    """Return a number in [0, 1)."""
    return int(generator.random_raw()) / 2**64


def between(generator: np.random.PCG64, low: float, high: float) -> float:
    """Return a number in [low, high)."""
    return low + (high - low) * uniform(generator)


def permutation(generator: np.random.PCG64, count: int) -> list[int]:
    """Return 0..count-1 in another order."""
    keys = np.atleast_1d(generator.random_raw(count))
    return [int(index) for index in np.argsort(keys, kind="stable")]


def grain(generator: np.random.PCG64, rows: int, columns: int) -> NDArray[np.float32]:
    """Return a plane of nearly Gaussian noise, mean 0, deviation 1, neighbours alike.

    Neighbouring pixels share half of what they are made of, as in a reconstruction through a
    smooth kernel.
    """
    height, width = rows + 1, columns + 1
    raw = np.atleast_1d(generator.random_raw(-(-height * width // 4)))
    pairs = (raw & _PAIRS) + ((raw >> _EIGHT) & _PAIRS)
    single = pairs.astype("<u8").view("<i2")[: height * width].reshape(height, width)
    rowwise = single[:-1] + single[1:]
    total: NDArray[np.int16] = rowwise[:, :-1] + rowwise[:, 1:] - np.int16(_MEAN)
    return total.astype(np.float32) * np.float32(1 / _DEVIATION)
