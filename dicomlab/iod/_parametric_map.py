"""Parametric maps (PS3.3 A.75): numbers with a quantity and units for each voxel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Unpack

import highdicom as hd
import numpy as np
from numpy.typing import ArrayLike
from pydicom import Dataset

from dicomlab.errors import UnsupportedError
from dicomlab.iod._codes import NO_UNITS, Code
from dicomlab.iod._load import Loadable, Loaded, load
from dicomlab.iod._made import copy_body_part
from dicomlab.iod._on_grid import Placed, on_grid
from dicomlab.iod._origin import (
    DICOMLAB,
    Equipment,
    Source,
    in_frame_order,
    new_uid,
    source_datasets,
)
from dicomlab.pixels import FunctionalGroups
from dicomlab.safety import Attributes
from dicomlab.volume import RemedyOptions, Volume
from dicomlab.volume import volume as volume_of

PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
_QUANTITY = "246205007"


def read_parametric_map(what: Loadable, **remedies: Unpack[RemedyOptions]) -> Volume:
    """Return a parametric map as a lazy volume of real-world values (PS3.3 C.7.6.16.2.11).

    Slope, intercept and units are those of the first Real World Value Mapping of each frame; the
    description is the quantity, where the map names one.

    Raises
    ------
    UnsupportedError
        It is an instance of another class, or its mapping is a table.
    GeometryError
        The frames are no single volume.
    """
    loaded = load(what)
    loaded.check_class("parametric map", PARAMETRIC_MAP)
    found = volume_of([loaded.data], **remedies)
    mappings = [_mapping(loaded, number - 1) for number in found.frame_numbers]
    slopes, intercepts = zip(*(_linear(loaded, one) for one in mappings), strict=True)
    first = mappings[0]
    units = Code.from_attributes(first, "MeasurementUnitsCodeSequence") if first else None
    quantity = next((one for one in _quantities(first)), None)
    return replace(
        found,
        rescale_slope=np.array(slopes),
        rescale_intercept=np.array(intercepts),
        units="" if units is None or units == NO_UNITS else units.value,
        series_description=str(quantity) if quantity else found.series_description,
    )


def _mapping(loaded: Loaded, frame: int) -> Attributes | None:
    groups = FunctionalGroups.from_attributes(loaded.header)
    return groups.macro(frame, "RealWorldValueMappingSequence") if groups else None


def _linear(loaded: Loaded, mapping: Attributes | None) -> tuple[float, float]:
    if mapping is None:
        return 1.0, 0.0
    slope, intercept = (
        mapping.number("RealWorldValueSlope"), mapping.number("RealWorldValueIntercept")
    )  # fmt: skip
    if slope is None and "RealWorldValueLUTData" in mapping:
        raise UnsupportedError(
            f"Parametric map {loaded.sop_instance_uid} maps its values by a table "
            "(RealWorldValueLUTData (0040,9212)), which has no slope. Read its stored values with "
            "the series' volume()."
        )
    return (1.0 if slope is None else slope), intercept or 0.0


def _quantities(mapping: Attributes | None) -> Iterator[Code]:
    if mapping is None:
        return
    for item in mapping.items("QuantityDefinitionSequence"):
        name = Code.from_attributes(item, "ConceptNameCodeSequence")
        value = Code.from_attributes(item, "ConceptCodeSequence")
        if value is not None and name is not None and name.value in (_QUANTITY, "G-C1C6"):
            yield value


def write_parametric_map(
    volume: Volume,
    values: ArrayLike | Placed,
    *,
    units: Code = NO_UNITS,
    quantity: Code | None = None,
    label: str = "PARAMETRIC_MAP",
    source: Source | None = None,
    series_description: str = "Parametric map",
    series_number: int = 303,
    equipment: Equipment = DICOMLAB,
) -> Dataset:
    """Return numbers on the grid of a volume as a parametric map (PS3.3 A.75).

    Parameters
    ----------
    volume
        What the numbers were computed from; its instances are referred to.
    values
        NumPy, Dask or ITK, shape (slice, row, column): float32 and float64 stay what they are,
        all else becomes float32.
    units
        Of the values, in UCUM.
    quantity
        What they are a measure of.
    source
        Where the instances are, for a volume that does not know its origin.

    Returns
    -------
    Dataset
        With File Meta Information.

    Raises
    ------
    ValueError
        The shape is not that of the volume, or no value is finite.
    """
    numbers = on_grid(values, volume.grid)
    if numbers.dtype not in (np.float32, np.float64):
        numbers = numbers.astype(np.float32)
    if numbers.shape != volume.shape:
        raise ValueError(f"values have shape {numbers.shape}, the volume {volume.shape}")
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        raise ValueError("no value is finite: there is nothing to map")
    low, high = float(finite.min()), float(finite.max())
    sources = source_datasets(volume, source)
    if "NumberOfFrames" in sources[0] and int(sources[0].NumberOfFrames) != volume.shape[0]:
        raise UnsupportedError(
            "The volume is a part of a multi-frame instance: a map would have frames without "
            "values. Write a map of the whole instance."
        )
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="VALUES",
        lut_explanation=str(quantity or series_description)[:64],
        unit=units.as_pydicom,
        value_range=(low, high),
        slope=1.0,
        intercept=0.0,
        quantity_definition=quantity.as_pydicom if quantity else None,
    )
    made = hd.pm.ParametricMap(
        sources,
        in_frame_order(volume, numbers, sources),
        series_instance_uid=new_uid(),
        series_number=series_number,
        sop_instance_uid=new_uid(),
        instance_number=1,
        manufacturer=equipment.manufacturer,
        manufacturer_model_name=equipment.manufacturer_model_name,
        software_versions=equipment.software_versions,
        device_serial_number=equipment.device_serial_number,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[
            hd.VOILUTTransformation(
                window_center=(low + high) / 2, window_width=max(high - low, 1e-6)
            )
        ],
        content_label=label,
    )
    made.SeriesDescription = series_description
    copy_body_part(sources[0], made)
    return made
