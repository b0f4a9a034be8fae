"""Stored values in units of the real world (PS3.3 C.7.6.16.2.11)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomlab.pixels._groups import FunctionalGroups
from dicomlab.safety import Attributes


@dataclass(frozen=True, slots=True, eq=False)
class RealWorldMap:
    """One item of Real World Value Mapping Sequence (0040,9096).

    Attributes
    ----------
    first, last
        Stored values that are mapped, both included; of float pixels the Double Float ones.
    slope, intercept
        Of a linear map, ``None`` where a table maps.
    table
        One real value for each stored one from `first` on.
    units
        Code value of the units, in UCUM.
    label, explanation
        (0040,9210) and (0028,3003).
    """

    first: float
    last: float
    slope: float | None
    intercept: float | None
    table: NDArray[np.float64] | None = None
    units: str = ""
    label: str = ""
    explanation: str = ""

    def apply(self, stored: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return real values; NaN for what is not mapped."""
        values = stored.astype(np.float64)
        mapped = (values >= self.first) & (values <= self.last)
        if self.table is not None:
            place = np.clip(values - self.first, 0, len(self.table) - 1).astype(np.int64)
            real = self.table[place]
            mapped &= values - self.first < len(self.table)
        else:
            real = values * (self.slope or 0.0) + (self.intercept or 0.0)
        return np.where(mapped, real, np.nan)


def real_world_maps(attributes: Attributes, *, frame: int = 0) -> tuple[RealWorldMap, ...]:
    """Return the maps of a frame, counted from 0; items that map nothing are left out."""
    groups = FunctionalGroups.from_attributes(attributes)
    items = () if groups is None else groups.items(frame, "RealWorldValueMappingSequence")
    found = (_map(item) for item in items or attributes.items("RealWorldValueMappingSequence"))
    return tuple(one for one in found if one is not None)


def _map(item: Attributes) -> RealWorldMap | None:
    first = item.number("DoubleFloatRealWorldValueFirstValueMapped")
    last = item.number("DoubleFloatRealWorldValueLastValueMapped")
    if first is None or last is None:
        first = item.number("RealWorldValueFirstValueMapped")
        last = item.number("RealWorldValueLastValueMapped")
    slope, intercept = item.number("RealWorldValueSlope"), item.number("RealWorldValueIntercept")
    table = item.numbers("RealWorldValueLUTData")
    if first is None or last is None or (not table and (slope is None or intercept is None)):
        return None
    units = item.items("MeasurementUnitsCodeSequence")
    return RealWorldMap(
        first,
        last,
        slope,
        intercept,
        np.array(table) if table else None,
        units=(units[0].string("CodeValue") or "") if units else "",
        label=item.string("LUTLabel") or "",
        explanation=item.string("LUTExplanation") or "",
    )
