"""A volume: planes that are read when they are needed, and where they lie."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dicomlab.catalog import InstanceData
from dicomlab.errors import UnsupportedError
from dicomlab.geometry import Grid
from dicomlab.pixels import DecodeInto, VoiWindow
from dicomlab.safety import processors
from dicomlab.volume import _itk, _verbs
from dicomlab.volume._dicom import DicomSliceReader
from dicomlab.volume._reader import ArrayReader, BlockReader, SliceReader
from dicomlab.volume._suv import SuvInputs
from dicomlab.volume._suv_factors import SuvKind, suv_factors

if TYPE_CHECKING:
    import dask.array as da
    import itk
    import xarray as xr

_ALL = slice(None)
_BLOCK = 32
"""Slices that are read from a store and rescaled in one go; its chunks are as deep."""
_RUN = 8
"""Slices that a thread takes at a time."""
Origin: TypeAlias = Callable[[], Sequence[InstanceData]]
SplitValue: TypeAlias = str | int | float | tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Volume:
    """One regular grid of values from one series, read when they are needed.

    Array axes are (slice, row, column), points are (x, y, z) in LPS millimetres. Slices are in the
    order of their position along the normal of the plane.

    Attributes
    ----------
    reader
        Gives the stored planes.
    grid
        Where the voxels lie.
    rescale_slope, rescale_intercept
        One a slice: modality value = slope * stored value + intercept (PS3.3 C.11.1). Read-only.
    units
        Of the modality values: ``"HU"``, the PET's Units (0054,1001), or what the file says; ``""``
        where it says nothing.
    modality, series_description, series_instance_uid, study_instance_uid, frame_of_reference_uid
        As in the series.
    sop_instance_uids, frame_numbers
        Where each slice comes from; frames count from 1. Empty for a volume made from an array.
    split
        What tells this volume from the others of its series, by keyword: ``{"EchoTime": 4.9}``.
    windows
        The series' own VOI windows.
    suv
        What SUV is computed from, for a PET.
    pixel_padding_value
        Stored value that stands outside the field of view (0028,0120).
    photometric_interpretation
        ``"MONOCHROME2"``, or ``"MONOCHROME1"`` where the least value is shown white (0028,0004).
        Values are as stored; whoever shows them inverts.
    bits_stored
        Bits of a stored value that carry information, all those of its type by default.
    origin
        Gives the attributes of the instances that the slices come from, when a result that refers
        to them is written; ``None`` for a volume made from an array or a store.
    """

    reader: SliceReader
    grid: Grid
    rescale_slope: NDArray[np.float64]
    rescale_intercept: NDArray[np.float64]
    units: str = ""
    modality: str = ""
    series_description: str = ""
    series_instance_uid: str = ""
    study_instance_uid: str = ""
    frame_of_reference_uid: str | None = None
    sop_instance_uids: tuple[str, ...] = ()
    frame_numbers: tuple[int, ...] = ()
    split: Mapping[str, SplitValue] = field(default_factory=dict)
    windows: tuple[VoiWindow, ...] = ()
    suv: SuvInputs | None = None
    pixel_padding_value: int | None = None
    photometric_interpretation: str = "MONOCHROME2"
    bits_stored: int | None = None
    origin: Origin | None = None

    def __post_init__(self) -> None:
        if tuple(self.reader.shape) != self.grid.shape:
            raise ValueError(f"the reader has {self.reader.shape}, the grid {self.grid.shape}")
        slices = self.grid.shape[0]
        for name in ("rescale_slope", "rescale_intercept"):
            values = np.broadcast_to(np.asarray(getattr(self, name), np.float64), slices).copy()
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        for name in ("sop_instance_uids", "frame_numbers"):
            found = len(getattr(self, name))
            if found not in (0, slices):
                raise ValueError(f"{name} has {found} entries for {slices} slices")

    def decoded_by(self, decode: DecodeInto) -> Volume:
        """Return the same volume, with something else to decode its frames: capped workers."""
        if not isinstance(self.reader, DicomSliceReader):
            return self
        return replace(self, reader=DicomSliceReader(self.reader.planes, decode=decode))

    @classmethod
    def from_array(
        cls,
        array: NDArray[np.generic],
        grid: Grid,
        *,
        rescale_slope: ArrayLike = 1.0,
        rescale_intercept: ArrayLike = 0.0,
        units: str = "",
        modality: str = "",
        series_description: str = "",
    ) -> Self:
        """Return a volume of stored values that are in memory.

        Parameters
        ----------
        array
            Stored values, shape (slice, row, column).
        grid
            Where they lie, of the same shape.
        rescale_slope, rescale_intercept
            One number, or one a slice.
        """
        return cls(
            ArrayReader(array),
            grid,
            np.asarray(rescale_slope, np.float64),
            np.asarray(rescale_intercept, np.float64),
            units=units,
            modality=modality,
            series_description=series_description,
        )

    to_omezarr = _verbs.to_omezarr
    from_omezarr = staticmethod(_verbs.from_omezarr)
    view = _verbs.view
    to_segmentation = _verbs.to_segmentation
    to_structure_set = _verbs.to_structure_set
    to_parametric_map = _verbs.to_parametric_map
    to_report = _verbs.to_report
    to_series = _verbs.to_series

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        return self.grid.shape

    @property
    def affine(self) -> NDArray[np.float64]:
        """The grid's `index_to_lps`."""
        return self.grid.index_to_lps

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along slice, row and column axis."""
        return self.grid.spacing_mm

    @property
    def stored_range(self) -> tuple[int, int]:
        """Least and greatest stored value that `bits_stored` allows."""
        kind = self.reader.dtype
        if kind.kind == "f":
            raise TypeError("stored floating point values have no such range")
        bits = self.bits_stored or kind.itemsize * 8
        if kind.kind == "i":
            return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        return 0, (1 << bits) - 1

    @cached_property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the modality values.

        Integers stay integers where one whole slope and intercept hold for all slices: the first
        of int16, int32 and int64 that has room. All else is float32, or float64 where the stored
        values have more bits than float32 keeps.
        """
        kind = self.reader.dtype
        if kind.kind == "f":
            return kind
        slope, intercept = float(self.rescale_slope[0]), float(self.rescale_intercept[0])
        alike = bool((self.rescale_slope == slope).all())
        alike = alike and bool((self.rescale_intercept == intercept).all())
        if alike and slope.is_integer() and intercept.is_integer():
            ends = [int(slope) * end + int(intercept) for end in self.stored_range]
            for candidate in (np.int16, np.int32, np.int64):
                bounds = np.iinfo(candidate)
                if bounds.min <= min(ends) and max(ends) <= bounds.max:
                    return np.dtype(candidate)
        bits = self.bits_stored or kind.itemsize * 8
        return np.dtype(np.float32 if bits <= 24 else np.float64)

    @cached_property
    def stored(self) -> da.Array:
        """The stored values as a Dask array.

        One chunk a slice, so that a chunk reads one frame; from a store, the chunks of the store.
        """
        import dask.array as da  # noqa: PLC0415  half a second that a header index need not pay

        if isinstance(self.reader, BlockReader):
            blocks = self.reader.blocks
            return da.from_array(blocks, chunks=blocks.chunks, name=False)
        _slices, rows, columns = self.shape
        return da.from_array(
            _Planes(self.reader),
            chunks=(1, rows, columns),
            name=False,
            asarray=False,
            meta=np.empty((0, 0, 0), self.reader.dtype),
        )

    @cached_property
    def array(self) -> da.Array:
        """The modality values in `units` as a Dask array, its chunks those of `stored`."""
        import dask.array as da  # noqa: PLC0415  as above

        if isinstance(self.reader, BlockReader):
            return self.stored.map_blocks(
                self._rescaled_block, dtype=self.dtype, meta=np.empty((0, 0, 0), self.dtype)
            )
        _slices, rows, columns = self.shape
        return da.from_array(
            _Planes(self.reader, self),
            chunks=(1, rows, columns),
            name=False,
            asarray=False,
            meta=np.empty((0, 0, 0), self.dtype),
        )

    def rescaled(
        self, stored: NDArray[np.generic], slices: slice | NDArray[np.intp] = _ALL
    ) -> NDArray[np.generic]:
        """Return the modality values of stored planes (PS3.3 C.11.1.1).

        Parameters
        ----------
        stored
            Stored values, shape (n, row, column).
        slices
            Which slices of the volume these are.
        """
        values = np.empty(stored.shape, self.dtype)
        self._rescale_into(values, stored, slices)
        return values

    def _rescale_into(
        self,
        values: NDArray[np.generic],
        stored: NDArray[np.generic],
        slices: slice | NDArray[np.intp],
    ) -> None:
        """Fill `values` from stored planes; both may be one memory, seen as two integer types.

        Sums and products of integers are right modulo their size, and `dtype` has room for every
        modality value: so they are right even where a stored value did not fit.
        """
        slope, intercept = self.rescale_slope[slices], self.rescale_intercept[slices]
        if not np.may_share_memory(values, stored):
            values[...] = stored
        if values.dtype.kind == "i" and len(values):
            slope, intercept = slope[:1], intercept[:1]
        if (slope != 1).any():
            np.multiply(values, slope.astype(values.dtype)[:, None, None], out=values)
        if (intercept != 0).any():
            np.add(values, intercept.astype(values.dtype)[:, None, None], out=values)

    def _rescaled_block(
        self, stored: NDArray[np.generic], block_info: Mapping[int, Mapping[str, Any]]
    ) -> NDArray[np.generic]:
        start, stop = block_info[0]["array-location"][0]
        return self.rescaled(stored, slice(start, stop))

    def compute(self) -> NDArray[np.generic]:
        """Return all modality values, read the quickest way there is."""
        values = np.empty(self.shape, self.dtype)
        if isinstance(self.reader, BlockReader):
            for start in range(0, len(values), _BLOCK):
                self._compute_into(values[start : start + _BLOCK], start)
            return values

        def compute_run(start: int) -> None:
            # One by one: a plane is in the processor's cache still when it is rescaled.
            for index in range(start, min(start + _RUN, len(values))):
                self._compute_into(values[index : index + 1], index)

        with ThreadPoolExecutor(processors(), "dicomlab-read") as pool:
            for _done in pool.map(compute_run, range(0, len(values), _RUN)):
                pass
        return values

    def _compute_into(self, values: NDArray[np.generic], start: int) -> None:
        """Read planes from `start` and rescale them in place where their type allows."""
        kind = self.reader.dtype
        is_alike = (
            kind.itemsize == self.dtype.itemsize and self.dtype.kind in "iu" and kind.kind in "iu"
        )
        stored = values.view(kind) if is_alike else np.empty(values.shape, kind)
        self.reader.read_into(start, stored)
        self._rescale_into(values, stored, slice(start, start + len(values)))

    def to_suv(self, kind: SuvKind | str = SuvKind.BODY_WEIGHT) -> Volume:
        """Return the same voxels as standardised uptake values, lazily; see `suv_factors`.

        Parameters
        ----------
        kind
            A defined term of SUV Type (0054,1006): ``"BW"``, ``"LBMJANMA"``, ``"LBMJAMES128"``,
            ``"BSA"``.

        Raises
        ------
        UnsupportedError
            It is no PET, or its values lead to no activity.
        NonConformantError
            What is needed is absent: nothing is guessed.
        """
        if self.suv is None:
            raise UnsupportedError("The volume is no PET: uptake is measured by PET alone.")
        wanted = SuvKind(kind)
        factors = suv_factors(self.suv, wanted, slices=self.shape[0])
        windows = tuple(
            replace(one, center=one.center * factors[0], width=one.width * factors[0])
            for one in self.windows
        )
        return replace(
            self,
            rescale_slope=self.rescale_slope * factors,
            rescale_intercept=self.rescale_intercept * factors,
            units=wanted.units,
            windows=windows,
            suv=None,
        )

    def to_xarray(self) -> xr.DataArray:
        """Return the modality values with physical coordinates, still lazy.

        Returns
        -------
        xarray.DataArray
            Dimensions ``slice``, ``row`` and ``column``, each with a coordinate in mm: how far the
            voxel lies along that axis from the origin of the patient's space. For axes at right
            angles, coordinates times direction vectors add up to the LPS point. Where an axis lies
            along the patient's x, y or z, a coordinate of that name gives LPS mm outright. The
            attributes hold ``index_to_lps``, which is exact for oblique and tilted grids too.
        """
        import xarray as xr  # noqa: PLC0415  slow to import

        direction = self.grid.direction
        coordinates: dict[str, tuple[str, NDArray[np.float64], dict[str, str]]] = {}
        for axis, name in enumerate(("slice", "row", "column")):
            steps = np.arange(self.shape[axis], dtype=np.float64) * self.spacing_mm[axis]
            unit = direction[:, axis]
            along = float(self.grid.origin_lps @ unit) + steps
            coordinates[name] = (name, along, {"units": "mm"})
            patient = int(np.abs(unit).argmax())
            if np.abs(np.delete(unit, patient)).max() < 1e-6:
                letter = "xyz"[patient]
                lps = self.grid.origin_lps[patient] + np.sign(unit[patient]) * steps
                coordinates[letter] = (name, lps, {"units": "mm"})
        return xr.DataArray(
            self.array,
            dims=("slice", "row", "column"),
            coords=coordinates,
            name=self.modality or None,
            attrs={
                "units": self.units,
                "index_to_lps": self.affine.tolist(),
                "series_instance_uid": self.series_instance_uid,
                "frame_of_reference_uid": self.frame_of_reference_uid or "",
            },
        )

    def to_itk(self) -> itk.Image:
        """Return the modality values as an ITK image with exact origin, spacing and direction.

        ITK counts (column, row, slice), so the order of the axes is reversed.
        """
        return _itk.image(self.compute(), self.grid)

    @property
    def summary(self) -> str:
        """Shape, spacing, values and split in one line that holds nothing of the patient."""
        sizes = " x ".join(map(str, self.shape))
        spacing = " x ".join(f"{size:.4g}" for size in self.spacing_mm)
        told = "".join(f", {key}={value}" for key, value in self.split.items())
        return (
            f"{sizes} (slice, row, column), {spacing} mm, "
            f"{self.dtype}{' ' + self.units if self.units else ''}{told}"
        )

    def __repr__(self) -> str:
        return f"<Volume {self.modality} {self.series_description!r}: {self.summary}>"

    def _repr_html_(self) -> str:
        rows = {
            "Series": self.series_description,
            "Modality": self.modality,
            "Shape (slice, row, column)": " x ".join(map(str, self.shape)),
            "Spacing, mm": " x ".join(f"{size:.4g}" for size in self.spacing_mm),
            "Values": f"{self.dtype} {self.units}",
            **{key: str(value) for key, value in self.split.items()},
        }
        cells = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
            for name, value in rows.items()
        )
        return f"<table>{cells}</table>"


class _Planes:
    """Shows a reader to Dask as something to take slices of."""

    ndim = 3

    def __init__(self, reader: SliceReader, rescaling: Volume | None = None) -> None:
        self.reader = reader
        self.rescaling = rescaling
        self.shape = reader.shape
        self.dtype = reader.dtype if rescaling is None else rescaling.dtype

    def __getitem__(self, key: tuple[slice | int, ...]) -> NDArray[np.generic]:
        """Read what Dask asks for; it fuses a user's index into the key: any index may come."""
        chosen = np.atleast_1d(np.arange(self.shape[0])[key[0]])
        stored = np.empty((len(chosen), *self.shape[1:]), self.reader.dtype)
        if len(chosen) and (np.diff(chosen) == 1).all():
            self.reader.read_into(int(chosen[0]), stored)
        else:
            for place, index in enumerate(chosen):
                stored[place] = self.reader.read(int(index))
        values = stored if self.rescaling is None else self.rescaling.rescaled(stored, chosen)
        first = 0 if isinstance(key[0], int | np.integer) else slice(None)
        return values[(first, *key[1:])]
