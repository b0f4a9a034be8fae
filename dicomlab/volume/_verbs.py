"""Verbs that lead from a volume to rooms above it; each imports its room when it is called."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from pydicom import Dataset

    from dicomlab.iod import (
        Code,
        Masks,
        MeasurementGroup,
        Placed,
        Segment,
        SegmentationOptions,
        Source,
        WriteOptions,
    )
    from dicomlab.volume._volume import Volume
    from dicomlab.widgets import VolumeViewer


def to_omezarr(
    volume: Volume,
    path: str | os.PathLike[str],
    *,
    levels: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the volume as OME-Zarr 0.5 with a pyramid; see `dicomlab.omezarr.write`."""
    from dicomlab.omezarr import write  # noqa: PLC0415

    return write(volume, path, levels=levels, overwrite=overwrite, progress=progress)


def from_omezarr(path: str | os.PathLike[str]) -> Volume:
    """Return the volume that a store holds, lazily; see `dicomlab.omezarr.read`."""
    from dicomlab.omezarr import read  # noqa: PLC0415

    return read(path)


def view(
    volume: Volume,
    *,
    window: Sequence[float] | None = None,
    voxel: Sequence[int] | None = None,
    arrangement: str | None = None,
    height_px: int = 520,
) -> VolumeViewer:
    """Show the volume in the notebook; see `dicomlab.widgets.view`."""
    from dicomlab.widgets import view as show  # noqa: PLC0415

    return show(volume, window=window, voxel=voxel, arrangement=arrangement, height_px=height_px)


def to_segmentation(
    volume: Volume,
    masks: Masks,
    segments: Sequence[Segment | str] = (),
    **options: Unpack[SegmentationOptions],
) -> Dataset:
    """Return masks on the volume as a segmentation; see `dicomlab.iod.write_segmentation`."""
    from dicomlab.iod import write_segmentation  # noqa: PLC0415

    return write_segmentation(volume, masks, segments, **options)


def to_structure_set(
    volume: Volume, masks: Mapping[str, ArrayLike | Placed], **options: Unpack[WriteOptions]
) -> Dataset:
    """Return masks on the volume as contours; see `dicomlab.iod.write_structure_set`."""
    from dicomlab.iod import write_structure_set  # noqa: PLC0415

    return write_structure_set(volume, masks, **options)


def to_parametric_map(
    volume: Volume,
    values: ArrayLike | Placed,
    *,
    units: Code | None = None,
    quantity: Code | None = None,
    **options: Unpack[WriteOptions],
) -> Dataset:
    """Return numbers on the volume's grid; see `dicomlab.iod.write_parametric_map`."""
    from dicomlab.iod import NO_UNITS, write_parametric_map  # noqa: PLC0415

    return write_parametric_map(
        volume, values, units=units or NO_UNITS, quantity=quantity, **options
    )


def to_report(
    volume: Volume,
    groups: Sequence[MeasurementGroup],
    *,
    segmentation: Dataset | None = None,
    **options: Unpack[WriteOptions],
) -> Dataset:
    """Return measurements of the volume as a report; see `dicomlab.iod.write_report`."""
    from dicomlab.iod import write_report  # noqa: PLC0415

    return write_report(volume, groups, segmentation=segmentation, **options)


def to_series(
    volume: Volume,
    values: ArrayLike | Placed,
    *,
    description: str,
    units: str | None = None,
    source: Source | None = None,
) -> Iterator[Dataset]:
    """Yield the slices with other values; see `dicomlab.iod.write_derived_series`."""
    from dicomlab.iod import write_derived_series  # noqa: PLC0415

    return write_derived_series(volume, values, description=description, units=units, source=source)
