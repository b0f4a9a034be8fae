"""Derived objects: what was found in images, read and written, on highdicom."""

from dicomlab.iod._codes import Code
from dicomlab.iod._content import ContentItem, InstanceReference
from dicomlab.iod._dose import (
    DoseVolumeHistogram,
    dose_volume_histogram,
    read_dose,
    read_dose_volume_histograms,
)
from dicomlab.iod._load import Loadable, load
from dicomlab.iod._origin import DICOMLAB, Equipment, Source
from dicomlab.iod._report import Measurement, MeasurementGroup, Report, read_report
from dicomlab.iod._segmentation import (
    Segment,
    Segmentation,
    SegmentationType,
    read_segmentation,
)
from dicomlab.iod._structures import Contour, Roi, StructureSet, read_structure_set
from dicomlab.iod._write_report import write_report
from dicomlab.iod._write_segmentation import write_segmentation
from dicomlab.iod._write_structures import write_structure_set

__all__ = [
    "DICOMLAB",
    "Code",
    "ContentItem",
    "Contour",
    "DoseVolumeHistogram",
    "Equipment",
    "InstanceReference",
    "Loadable",
    "Measurement",
    "MeasurementGroup",
    "Report",
    "Roi",
    "Segment",
    "Segmentation",
    "SegmentationType",
    "Source",
    "StructureSet",
    "dose_volume_histogram",
    "load",
    "read_dose",
    "read_dose_volume_histograms",
    "read_report",
    "read_segmentation",
    "read_structure_set",
    "write_report",
    "write_segmentation",
    "write_structure_set",
]
