"""Derived objects: what was found in images, read and written, on highdicom."""

from dicomlab.iod._codes import Code
from dicomlab.iod._load import Loadable, load
from dicomlab.iod._origin import DICOMLAB, Equipment, Source
from dicomlab.iod._segmentation import (
    Segment,
    Segmentation,
    SegmentationType,
    read_segmentation,
)
from dicomlab.iod._write_segmentation import write_segmentation

__all__ = [
    "DICOMLAB",
    "Code",
    "Equipment",
    "Loadable",
    "Segment",
    "Segmentation",
    "SegmentationType",
    "Source",
    "load",
    "read_segmentation",
    "write_segmentation",
]
