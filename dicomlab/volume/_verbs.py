"""Verbs that lead from a volume to rooms above it; each imports its room when it is called."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
