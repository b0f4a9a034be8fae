"""Verbs that lead from a handle to rooms above it; each imports its room when it is called."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Unpack

if TYPE_CHECKING:
    from dicomlab.catalog._handles import Instance, Series
    from dicomlab.iod import DerivedObject
    from dicomlab.volume import Origin, RemedyOptions, Volume
    from dicomlab.widgets import VolumeViewer


def volumes(
    series: Series, *, skip_refused: bool = False, **remedies: Unpack[RemedyOptions]
) -> list[Volume]:
    """Return the volumes of the series: one for each echo, phase or orientation.

    Only headers are read. See `dicomlab.volume.volumes` for the remedies and the errors.
    """
    from dicomlab.volume import volumes as build  # noqa: PLC0415

    made = build(_origin(series)(), skip_refused=skip_refused, **remedies)
    return [replace(one, origin=_origin(series)) for one in made]


def volume(series: Series, **remedies: Unpack[RemedyOptions]) -> Volume:
    """Return the one volume of the series; where there are several, the error lists them.

    Only headers are read. See `dicomlab.volume.volume` for the remedies and the errors.
    """
    from dicomlab.volume import volume as build  # noqa: PLC0415

    return replace(build(_origin(series)(), **remedies), origin=_origin(series))


def _origin(series: Series) -> Origin:
    """Return what gives the instances of the series, when they are asked for."""
    return partial(series.source.instances, series.uid)


def read(instance: Instance) -> DerivedObject:
    """Return a derived object as what its class says: a segmentation, a report, and so on.

    See `dicomlab.iod.read_object`.
    """
    from dicomlab.iod import read_object  # noqa: PLC0415

    return read_object(instance)


def view(
    series: Series, *, height_px: int = 520, **remedies: Unpack[RemedyOptions]
) -> VolumeViewer:
    """Show the one volume of the series in the notebook; see `volume` for remedies and errors."""
    from dicomlab.widgets import view as show  # noqa: PLC0415

    return show(volume(series, **remedies), height_px=height_px)
