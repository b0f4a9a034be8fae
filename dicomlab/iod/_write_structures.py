"""RT structure sets written from masks of a volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydicom import Dataset

from dicomlab.geometry import Grid, mask_outlines
from dicomlab.iod._made import IMPLICIT_VR_LITTLE_ENDIAN, decimal, derived, reference
from dicomlab.iod._on_grid import Placed, on_grid
from dicomlab.iod._origin import DICOMLAB, Equipment, Source, new_uid, source_datasets
from dicomlab.iod._structures import RT_STRUCTURE_SET
from dicomlab.volume import Volume

_COLOURS = (
    (255, 80, 80), (80, 200, 80), (80, 140, 255), (255, 200, 60), (200, 100, 255), (60, 220, 220),
)  # fmt: skip
_NAME_CHARACTERS = 64
_STUDY_COMPONENT_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"


def write_structure_set(
    volume: Volume,
    masks: Mapping[str, ArrayLike | Placed],
    *,
    label: str = "dicomlab",
    interpreted_types: Mapping[str, str] | None = None,
    source: Source | None = None,
    series_description: str = "Structure set",
    series_number: int = 301,
    equipment: Equipment = DICOMLAB,
) -> Dataset:
    """Return an RT structure set of masks on a volume as a DICOM instance (PS3.3 A.19).

    Contours follow the edges of the voxels: they enclose exactly the centres and the area that the
    mask has. Holes are joined to what is around them by a channel of no width (C.8.8.6.3).

    Parameters
    ----------
    volume
        What was segmented; its slices are referred to.
    masks
        By name of the region: not zero is inside, shape (slice, row, column).
    label
        Structure Set Label (3006,0002), up to 16 characters.
    interpreted_types
        RT ROI Interpreted Type (3006,00A4) by name: ``{"Lung": "ORGAN"}``.
    source
        Where the instances are, for a volume that does not know its origin.

    Returns
    -------
    Dataset
        With File Meta Information, for Implicit VR Little Endian: Contour Data (3006,0050) may be
        longer than an explicit VR allows.

    Raises
    ------
    ValueError
        A mask has not the shape of the volume, or a name is empty or too long.
    """
    sources = source_datasets(volume, source)
    made = derived(
        sources[0],
        RT_STRUCTURE_SET,
        "RTSTRUCT",
        series_description=series_description,
        series_number=series_number,
        equipment=equipment,
        transfer_syntax_uid=IMPLICIT_VR_LITTLE_ENDIAN,
    )
    frame_of_reference = volume.frame_of_reference_uid or new_uid()
    made.FrameOfReferenceUID = frame_of_reference
    made.PositionReferenceIndicator = sources[0].get("PositionReferenceIndicator")
    made.StructureSetLabel = label
    made.StructureSetDate, made.StructureSetTime = made.ContentDate, made.ContentTime
    made.OperatorsName = None
    made.ApprovalStatus = "UNAPPROVED"
    del made.ContentDate, made.ContentTime
    images = _images(volume, sources)
    made.ReferencedFrameOfReferenceSequence = [
        _frame_of_reference(frame_of_reference, sources[0], volume, images)
    ]
    made.StructureSetROISequence = []
    made.ROIContourSequence = []
    made.RTROIObservationsSequence = []
    types = interpreted_types or {}
    for number, (name, mask) in enumerate(masks.items(), 1):
        values = on_grid(mask, volume.grid) != 0
        if values.shape != volume.shape:
            raise ValueError(f"a mask has shape {values.shape}, the volume {volume.shape}")
        if not 0 < len(name) <= _NAME_CHARACTERS:
            raise ValueError("the name of a region has 1 to 64 characters")
        roi, contour, observation = Dataset(), Dataset(), Dataset()
        roi.ROINumber = contour.ReferencedROINumber = observation.ReferencedROINumber = number
        roi.ReferencedFrameOfReferenceUID = frame_of_reference
        roi.ROIName = name
        roi.ROIGenerationAlgorithm = "AUTOMATIC"
        contour.ROIDisplayColor = list(_COLOURS[(number - 1) % len(_COLOURS)])
        contour.ContourSequence = _contours(values, volume.grid, images)
        observation.ObservationNumber = number
        observation.RTROIInterpretedType = types.get(name, "")
        observation.ROIInterpreter = None
        made.StructureSetROISequence.append(roi)
        made.ROIContourSequence.append(contour)
        made.RTROIObservationsSequence.append(observation)
    return made


def _images(volume: Volume, sources: Sequence[Dataset]) -> list[Dataset]:
    """Return a reference to the image of each slice."""
    by_uid = {str(one.SOPInstanceUID): one for one in sources}
    numbers = volume.frame_numbers or (1,) * len(volume.sop_instance_uids)
    return [
        reference(by_uid[uid], frame if "NumberOfFrames" in by_uid[uid] else None)
        for uid, frame in zip(volume.sop_instance_uids, numbers, strict=True)
    ]


def _frame_of_reference(
    uid: str, source: Dataset, volume: Volume, images: Sequence[Dataset]
) -> Dataset:
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = volume.series_instance_uid
    # Each instance once: the frames of one are referred to by the contours.
    series.ContourImageSequence = list(
        {str(image.ReferencedSOPInstanceUID): image for image in images}.values()
    )
    study.ReferencedSOPClassUID = _STUDY_COMPONENT_MANAGEMENT
    study.ReferencedSOPInstanceUID = source.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = uid
    frame.RTReferencedStudySequence = [study]
    return frame


def _contours(mask: NDArray[np.bool_], grid: Grid, images: Sequence[Dataset]) -> list[Dataset]:
    found: list[Dataset] = []
    for index in np.flatnonzero(mask.any(axis=(1, 2))).tolist():
        for outline in mask_outlines(mask[index]):
            points = grid.to_lps(np.column_stack((np.full(len(outline), index), outline)))
            item = Dataset()
            item.ContourImageSequence = [images[index]]
            item.ContourGeometricType = "CLOSED_PLANAR"
            item.NumberOfContourPoints = len(points)
            item.ContourNumber = len(found) + 1
            item.ContourData = [decimal(round(float(value), 9)) for value in points.ravel()]
            found.append(item)
    return found
