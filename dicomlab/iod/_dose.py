"""RT dose (PS3.3 A.18): a volume of dose, and dose-volume histograms of regions in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dicomlab.errors import GeometryError, UnsupportedError
from dicomlab.geometry import trilinear
from dicomlab.iod._load import Loadable, load
from dicomlab.safety import Attributes
from dicomlab.volume import Volume
from dicomlab.volume import volume as volume_of

if TYPE_CHECKING:
    import pandas as pd

RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"


def read_dose(what: Loadable) -> Volume:
    """Return the dose of an RT Dose instance as a lazy volume, its units those of Dose Units.

    Raises
    ------
    UnsupportedError
        It is an instance of another class, or holds no dose grid.
    """
    loaded = load(what)
    loaded.check_class("RT dose", RT_DOSE)
    if loaded.data.frames is None:
        raise UnsupportedError(
            f"Instance {loaded.sop_instance_uid} holds no dose grid, points or histograms alone: "
            "read those with read_dose_volume_histograms().",
            sop_class_uid=RT_DOSE,
        )
    return volume_of([loaded.data])


@dataclass(frozen=True, eq=False)
class DoseVolumeHistogram:
    """The doses that the parts of a region get.

    Attributes
    ----------
    dose
        Rising, shape (n,), in `units`.
    volume_cm3
        How much of the region gets each dose, shape (n,).
    units
        Dose Units (3004,0002): ``"GY"``, or ``"RELATIVE"``.
    name
        Of the region.
    """

    dose: NDArray[np.float64]
    volume_cm3: NDArray[np.float64]
    units: str = "GY"
    name: str = ""
    _above: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        above = np.append(np.cumsum(self.volume_cm3[::-1])[::-1], 0.0)
        object.__setattr__(self, "_above", above)

    @property
    def total_volume_cm3(self) -> float:
        """Volume of the region."""
        return float(self._above[0])

    @property
    def mean(self) -> float:
        """Mean dose over the volume."""
        return float((self.dose * self.volume_cm3).sum() / self.total_volume_cm3)

    @property
    def minimum(self) -> float:
        """Least dose of any part."""
        return float(self.dose[0])

    @property
    def maximum(self) -> float:
        """Greatest dose of any part."""
        return float(self.dose[-1])

    def volume_receiving(self, dose: ArrayLike) -> NDArray[np.float64]:
        """Return how many cm3 get at least a dose: the cumulative histogram, at any dose."""
        places = np.searchsorted(self.dose, np.asarray(dose, np.float64), side="left")
        found: NDArray[np.float64] = self._above[places]
        return found

    def dose_to(self, fraction: ArrayLike) -> NDArray[np.float64]:
        """Return the dose that at least this fraction of the volume gets: 0.95 asks for D95."""
        asked = np.asarray(fraction, np.float64)
        if not ((asked > 0) & (asked <= 1)).all():
            raise ValueError("a fraction of the volume lies between 0, which it is not, and 1")
        wanted = asked * self.total_volume_cm3 * (1 - 1e-12)
        # `_above` falls: the last place where it is still as much as wanted.
        places = np.searchsorted(-self._above[:-1], -wanted, side="right") - 1
        found: NDArray[np.float64] = self.dose[places]
        return found

    def to_dataframe(self, step: float = 0.1) -> pd.DataFrame:
        """Return the cumulative histogram as a table: dose, volume in cm3 and in per cent."""
        import pandas as pd  # noqa: PLC0415  slow to import, and no histogram needs it otherwise

        doses = np.arange(0, self.maximum + step, step)
        volumes = self.volume_receiving(doses)
        return pd.DataFrame(
            {
                "dose": doses,
                "volume_cm3": volumes,
                "volume_percent": 100 * volumes / self.total_volume_cm3,
            }
        )

    def __repr__(self) -> str:
        return (
            f"<DoseVolumeHistogram {self.total_volume_cm3:.4g} cm3, "
            f"mean {self.mean:.4g} {self.units}>"
        )


def dose_volume_histogram(
    dose: Volume, mask: Volume, *, outside: float | None = None, name: str = ""
) -> DoseVolumeHistogram:
    """Return the histogram of a region: each voxel of the mask with the dose at its centre.

    Parameters
    ----------
    dose
        As `read_dose` gives it; between its voxels dose is interpolated linearly.
    mask
        Not zero inside, on any grid in the same frame of reference: a finer one is more exact.
    outside
        The dose of voxels beyond the dose grid. Without it such a region is refused.

    Raises
    ------
    GeometryError
        The region is empty, in another frame of reference, or reaches beyond the dose grid.
    """
    uids = {dose.frame_of_reference_uid, mask.frame_of_reference_uid} - {None, ""}
    if len(uids) > 1:
        raise GeometryError(
            "Dose and region lie in different frames of reference (FrameOfReferenceUID "
            "(0020,0052)): the same numbers are other places.",
            reason="other-frame-of-reference",
            tag=0x00200052,
            remedies=("Apply a spatial registration first.",),
        )
    indices = np.argwhere(mask.compute())
    if not len(indices):
        raise GeometryError("The region holds no voxel: it has no histogram.", reason="empty")
    values = trilinear(dose.compute(), dose.grid.to_index(mask.grid.to_lps(indices)))
    is_outside = np.isnan(values)
    if is_outside.any():
        if outside is None:
            raise GeometryError(
                f"{int(is_outside.sum())} of {len(values)} voxels of the region lie beyond the "
                "dose grid: nobody says what dose they get.",
                reason="beyond-the-grid",
                numbers={"outside": int(is_outside.sum()), "voxels": len(values)},
                remedies=("Say it: outside=0.0.",),
            )
        values[is_outside] = outside
    voxel_cm3 = abs(float(np.linalg.det(mask.affine[:3, :3]))) / 1000
    return DoseVolumeHistogram(
        np.sort(values),
        np.full(len(values), voxel_cm3),
        dose.units,
        name or mask.series_description,
    )


def read_dose_volume_histograms(what: Loadable) -> dict[int, DoseVolumeHistogram]:
    """Return the histograms that an RT Dose instance holds, by ROI number (PS3.3 C.8.8.4).

    Of a histogram for several regions together the first number counts.

    Raises
    ------
    UnsupportedError
        It is an instance of another class, or a volume is given in per cent alone.
    """
    loaded = load(what)
    loaded.check_class("RT dose", RT_DOSE)
    found = {}
    for item in loaded.header.items("DVHSequence"):
        regions = item.items("DVHReferencedROISequence")
        number = regions[0].integer("ReferencedROINumber") if regions else None
        found[number or 0] = _histogram(item)
    return found


def _histogram(item: Attributes) -> DoseVolumeHistogram:
    units = item.string("DVHVolumeUnits") or ""
    if units != "CM3":
        raise UnsupportedError(
            "DVHVolumeUnits (3004,0054) is not CM3: a share of an unknown volume is no volume."
        )
    pairs = np.array(item.numbers("DVHData"), np.float64).reshape(-1, 2)
    scaling = item.number("DVHDoseScaling") or 1.0
    widths, volumes = pairs[:, 0] * scaling, pairs[:, 1]
    edges = np.concatenate(((0.0,), np.cumsum(widths)))
    if item.string("DVHType") == "CUMULATIVE":
        volumes = volumes - np.append(volumes[1:], 0.0)
    elif item.string("DVHType") != "DIFFERENTIAL":
        raise UnsupportedError("DVHType (3004,0001) is neither CUMULATIVE nor DIFFERENTIAL.")
    # What lies in a bin gets the dose of its lower edge at least.
    return DoseVolumeHistogram(edges[:-1], volumes, item.string("DoseUnits") or "GY")
