"""A derived image series: the source's slices with other values (PS3.3 C.7.6.1.1.2)."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydicom import Dataset

from dicomlab.errors import UnsupportedError
from dicomlab.iod._codes import Code
from dicomlab.iod._made import EXPLICIT_VR_LITTLE_ENDIAN, decimal, file_meta, reference
from dicomlab.iod._on_grid import Placed, on_grid
from dicomlab.iod._origin import DICOMLAB, Equipment, Source, new_uid, source_datasets
from dicomlab.volume import Volume

_CT, _PET = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.128"
_CLASSES = {_CT: "CT", "1.2.840.10008.5.1.4.1.1.4": "MR", _PET: "PET"}
_OF_OTHER_PIXELS = (
    "PixelPaddingValue", "PixelPaddingRangeLimit", "SmallestImagePixelValue",
    "LargestImagePixelValue", "SmallestPixelValueInSeries", "LargestPixelValueInSeries",
    "VOILUTSequence", "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation",
    "VOILUTFunction", "ModalityLUTSequence", "RealWorldValueMappingSequence", "IconImageSequence",
    "ReferencedImageSequence", "SourceImageSequence", "RescaleSlope", "RescaleIntercept",
    "RescaleType", "PresentationLUTShape", "DigitalSignaturesSequence", "MACParametersSequence",
)  # fmt: skip
"""What a source says of its own pixels and would be untrue of others."""
_SOURCE = Code("121322", "DCM", "Source image for image processing operation")
_GREATEST = 32767


def write_derived_series(
    volume: Volume,
    values: ArrayLike | Placed,
    *,
    description: str,
    units: str | None = None,
    source: Source | None = None,
    series_number: int = 306,
    equipment: Equipment = DICOMLAB,
) -> Iterator[Dataset]:
    """Yield the slices of a volume with other values, as instances of the source's class.

    Whole numbers that 16 bits hold are stored as they are, all others with a slope of their own in
    each slice: within half a step of 32767 to the slice's greatest magnitude.

    Parameters
    ----------
    volume
        What the values were computed from: CT, MR or PET, one frame an instance.
    values
        On the grid of the volume, NumPy, Dask or ITK: of Dask a slice is computed at a time.
    description
        What was done: Series Description and Derivation Description.
    units
        Rescale Type (0028,1054) of a CT or MR; those of the volume by default.
    source
        Where the instances are, for a volume that does not know its origin.

    Raises
    ------
    UnsupportedError
        The source is of another class, or multi-frame: write a parametric map instead.
    ValueError
        The shape is not that of the volume, or a value is not finite.
    """
    placed = on_grid(values, volume.grid) if isinstance(values, Placed) else values
    shape = np.shape(placed)
    if shape != volume.shape:
        raise ValueError(f"values have shape {shape}, the volume {volume.shape}")
    sources = source_datasets(volume, source)
    sop_class = str(sources[0].SOPClassUID)
    if sop_class not in _CLASSES:
        raise UnsupportedError(
            "A derived series is made of CT, MR or PET instances of one frame each. Write a "
            "parametric map, which any class can be the source of.",
            sop_class_uid=sop_class,
        )
    return _instances(volume, placed, sources, description, units, series_number, equipment)


def _instances(
    volume: Volume,
    values: ArrayLike,
    sources: list[Dataset],
    description: str,
    units: str | None,
    series_number: int,
    equipment: Equipment,
) -> Iterator[Dataset]:
    series = new_uid()
    for number, original in enumerate(sources):
        made = copy.deepcopy(original)
        for keyword in _OF_OTHER_PIXELS:
            made.pop(keyword, None)
        kind = list(original.get("ImageType") or ("ORIGINAL", "PRIMARY"))
        # PS3.3 C.8.9.4.1.1: a PET is always PRIMARY.
        second = "PRIMARY" if str(original.SOPClassUID) == _PET else "SECONDARY"
        made.ImageType = ["DERIVED", second, *kind[2:]]
        made.SOPInstanceUID = new_uid()
        made.SeriesInstanceUID = series
        made.SeriesNumber, made.InstanceNumber = series_number, number + 1
        made.SeriesDescription = made.DerivationDescription = description
        made.SourceImageSequence = [_source(original)]
        made.ContributingEquipmentSequence = [_contribution(equipment)]
        _store(made, np.asarray(values[number]), units if units is not None else volume.units)  # type: ignore[index]  # arrays alone have the shape asked for
        made.file_meta = file_meta(made, EXPLICIT_VR_LITTLE_ENDIAN)
        yield made


def _source(original: Dataset) -> Dataset:
    item = reference(original)
    item.PurposeOfReferenceCodeSequence = [_SOURCE.item()]
    return item


def _contribution(equipment: Equipment) -> Dataset:
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [Code("109102", "DCM", "Processing Equipment").item()]
    item.Manufacturer = equipment.manufacturer
    item.ManufacturerModelName = equipment.manufacturer_model_name
    item.DeviceSerialNumber = equipment.device_serial_number
    item.SoftwareVersions = equipment.software_versions
    return item


def _store(made: Dataset, plane: NDArray[np.generic], units: str) -> None:
    stored, slope = _quantised(plane)
    made.Rows, made.Columns = stored.shape
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit = 15
    made.PixelRepresentation = int(stored.dtype.kind == "i")
    if str(made.SOPClassUID) in (_CT, _PET) or slope != 1:
        made.RescaleIntercept, made.RescaleSlope = "0", decimal(slope)
        if str(made.SOPClassUID) != _PET:
            made.RescaleType = units or "US"
    low, high = float(plane.min()), float(plane.max())
    made.WindowCenter, made.WindowWidth = (
        decimal((low + high) / 2), decimal(max(high - low, 1.0))
    )  # fmt: skip
    made.add_new(0x7FE00010, "OW", stored.astype(stored.dtype.newbyteorder("<")).tobytes())


def _quantised(plane: NDArray[np.generic]) -> tuple[NDArray[np.generic], float]:
    """Return 16-bit integers and the slope that gives the values back."""
    if not np.isfinite(plane).all():
        raise ValueError("values are finite numbers: DICOM images hold no NaN and no infinity")
    low, high = float(plane.min()), float(plane.max())
    if plane.dtype.kind in "biu":
        if low >= -_GREATEST - 1 and high <= _GREATEST:
            return plane.astype(np.int16), 1.0
        if low >= 0 and high <= 2 * _GREATEST + 1:
            return plane.astype(np.uint16), 1.0
    # Rounded to what a Decimal String holds, so that reader and writer use the same slope.
    slope = float(decimal(max(abs(low), abs(high)) / _GREATEST or 1.0))
    steps = np.rint(plane.astype(np.float64) / slope)
    return steps.clip(-_GREATEST - 1, _GREATEST).astype(np.int16), slope
