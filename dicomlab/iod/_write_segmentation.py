"""Segmentations written from masks of a volume, on highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import highdicom as hd
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydicom import Dataset

from dicomlab.iod._codes import ANATOMICAL_STRUCTURE, TISSUE
from dicomlab.iod._on_grid import Placed, on_grid
from dicomlab.iod._origin import (
    DICOMLAB,
    Equipment,
    Source,
    WriteOptions,
    in_frame_order,
    new_uid,
    source_datasets,
)
from dicomlab.iod._segmentation import Segment, SegmentationType
from dicomlab.volume import Volume

Masks: TypeAlias = ArrayLike | Placed
"""Label numbers or one mask, shape (slice, row, column), or one mask a segment before that."""


class SegmentationOptions(WriteOptions, total=False):
    """What `write_segmentation` takes besides, as keyword arguments."""

    type: SegmentationType | str | None


def write_segmentation(
    volume: Volume,
    masks: Masks,
    segments: Sequence[Segment | str] = (),
    *,
    type: SegmentationType | str | None = None,  # noqa: A002  the standard's word
    source: Source | None = None,
    series_description: str = "Segmentation",
    series_number: int = 300,
    equipment: Equipment = DICOMLAB,
) -> Dataset:
    """Return a segmentation of a volume as a DICOM instance (PS3.3 A.51).

    Parameters
    ----------
    volume
        What was segmented; its instances are referred to.
    masks
        On the grid of the volume, NumPy, Dask or ITK: whole numbers, 0 for no segment, shape
        (slice, row, column); or a mask for each segment, shape (segment, slice, row, column),
        which may overlap. Floating point numbers from 0 to 1 are fractions.
    segments
        What the segments are, or their labels; the first one is number 1. Without it each label
        gets a number for a name.
    type
        Binary by default, fractional for floating point numbers.
    source
        Where the instances are, for a volume that does not know its origin.

    Returns
    -------
    Dataset
        With File Meta Information: `save_as` makes a file of it.

    Raises
    ------
    ValueError
        Shape, type or values of the masks are not as above, or name segments that are not given.
    """
    values = on_grid(masks, volume.grid)
    if values.dtype == bool:
        values = values.astype(np.uint8)
    chosen = _type(values, type)
    if values.shape[-3:] != volume.shape or values.ndim not in (3, 4):
        raise ValueError(f"masks have shape {values.shape}, the volume {volume.shape}")
    described = _segments(values, segments)
    sources = source_datasets(volume, source)
    planes = values if values.ndim == 3 else np.moveaxis(values, 0, -1)
    made = hd.seg.Segmentation(
        sources,
        in_frame_order(volume, planes, sources),
        chosen.value,
        [_description(number, segment) for number, segment in enumerate(described, 1)],
        series_instance_uid=new_uid(),
        series_number=series_number,
        sop_instance_uid=new_uid(),
        instance_number=1,
        manufacturer=equipment.manufacturer,
        manufacturer_model_name=equipment.manufacturer_model_name,
        software_versions=equipment.software_versions,
        device_serial_number=equipment.device_serial_number,
        content_label="SEGMENTATION",
    )
    made.SeriesDescription = series_description
    for item in made.SegmentSequence:
        # highdicom asks for an algorithm family, which nobody knows here; it is type 3.
        item.pop("SegmentationAlgorithmIdentificationSequence", None)
    return made


def _type(values: NDArray[np.generic], asked: SegmentationType | str | None) -> SegmentationType:
    is_fraction = values.dtype.kind == "f"
    if values.dtype.kind not in "uif":
        raise ValueError(f"masks are numbers or booleans, found {values.dtype}")
    if asked is None:
        return SegmentationType.FRACTIONAL if is_fraction else SegmentationType.BINARY
    chosen = SegmentationType(asked)
    if is_fraction and chosen is not SegmentationType.FRACTIONAL:
        raise ValueError(f"masks of {values.dtype} are fractions, not {chosen}")
    return chosen


def _segments(values: NDArray[np.generic], given: Sequence[Segment | str]) -> list[Segment]:
    if values.size and (values.min() < 0 or (values.dtype.kind == "f" and values.max() > 1)):
        raise ValueError("labels are 0 or more, fractions lie between 0 and 1")
    needed = len(values) if values.ndim == 4 else 1
    if values.ndim == 3 and values.dtype.kind != "f":
        needed = int(values.max()) if values.size else 0
    if given and len(given) < needed:
        raise ValueError(f"masks hold {needed} segments, {len(given)} are described")
    found = [Segment(one) if isinstance(one, str) else one for one in given]
    return found or [Segment(f"Segment {number}") for number in range(1, max(needed, 1) + 1)]


def _description(number: int, segment: Segment) -> hd.seg.SegmentDescription:
    is_manual = segment.algorithm_type == "MANUAL"
    algorithm = (
        None
        if is_manual
        else hd.AlgorithmIdentificationSequence(
            name=segment.algorithm_name or "dicomlab",
            family=hd.sr.CodedConcept("123110", "DCM", "Artificial Intelligence"),
            version="0.1",
        )
    )
    made = hd.seg.SegmentDescription(
        number,
        segment.label,
        (segment.category or ANATOMICAL_STRUCTURE).as_pydicom,
        (segment.type or TISSUE).as_pydicom,
        segment.algorithm_type,
        algorithm,
        tracking_uid=segment.tracking_uid or None,
        tracking_id=segment.tracking_id or None,
    )
    if segment.description:
        made.SegmentDescription = segment.description
    return made
