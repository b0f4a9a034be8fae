"""Checking a store against the volume that it was written from."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from dicomlab.omezarr._attributes import VolumeAttributes
from dicomlab.omezarr._layout import CHUNK_DEPTH
from dicomlab.omezarr._read import read
from dicomlab.omezarr._write import Progress
from dicomlab.volume import Volume

_AFFINE_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found.

    Attributes
    ----------
    voxels
        How many stored values were compared.
    unequal_voxels
        How many of them differ in a bit.
    affine_difference
        Largest difference of an element of the affines.
    unequal_attributes
        The attributes of `Volume` that differ, by name; ``shape`` and ``dtype`` among them.
    """

    voxels: int
    unequal_voxels: int
    affine_difference: float
    unequal_attributes: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether every voxel and attribute is equal, and the affine to 1e-9."""
        return (
            not self.unequal_voxels
            and not self.unequal_attributes
            and self.affine_difference <= _AFFINE_TOLERANCE
        )


def verify(
    path: str | os.PathLike[str], volume: Volume, *, progress: Progress | None = None
) -> Verification:
    """Compare a store with a volume: every stored value, the affine and all else it says.

    Both are read slab by slab, so memory does not grow with the number of slices.

    Parameters
    ----------
    path
        The store.
    volume
        What it should hold.
    progress
        Called after each slab.

    Raises
    ------
    NotFoundError, UnsupportedError, StorageError
        As `read`.
    """
    found = read(path)
    unequal: list[str] = []
    if found.shape != volume.shape:
        unequal.append("shape")
    if found.reader.dtype != volume.reader.dtype:
        unequal.append("dtype")
    is_alike = not unequal
    said = VolumeAttributes.of(found).model_dump()
    expected = VolumeAttributes.of(volume).model_dump()
    unequal += [
        name for name in expected if name != "index_to_lps" and said[name] != expected[name]
    ]
    slices, rows, columns = volume.shape
    voxels = slices * rows * columns
    return Verification(
        voxels=voxels,
        unequal_voxels=_unequal(found, volume, progress) if is_alike else voxels,
        affine_difference=float(np.abs(found.affine - volume.affine).max()),
        unequal_attributes=tuple(unequal),
    )


def _unequal(found: Volume, volume: Volume, progress: Progress | None) -> int:
    slices, rows, columns = volume.shape
    kind = volume.reader.dtype
    slabs = np.empty((2, min(slices, CHUNK_DEPTH), rows, columns), kind)
    bits = np.dtype(f"u{kind.itemsize}")
    unequal = 0
    for start in range(0, slices, CHUNK_DEPTH):
        pair = slabs[:, : slices - start]
        for side, one in zip(pair, (found, volume), strict=True):
            one.reader.read_into(start, side)
        one_bits, other_bits = pair.view(bits)
        unequal += int(np.count_nonzero(one_bits != other_bits))
        if progress is not None:
            progress(start + pair.shape[1], slices)
    return unequal
