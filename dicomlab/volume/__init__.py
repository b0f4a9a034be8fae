"""One regular lazy array with its grid, units and provenance."""

from dicomlab.volume._build import Examined, Remedies, RemedyOptions, examine, volume, volumes
from dicomlab.volume._dicom import DicomSliceReader
from dicomlab.volume._reader import ArrayReader, BlockReader, ChunkedArray, SliceReader
from dicomlab.volume._suv import SuvInputs
from dicomlab.volume._suv_factors import SuvKind, suv_factors
from dicomlab.volume._volume import Origin, Volume

__all__ = [
    "ArrayReader",
    "BlockReader",
    "ChunkedArray",
    "DicomSliceReader",
    "Examined",
    "Origin",
    "Remedies",
    "RemedyOptions",
    "SliceReader",
    "SuvInputs",
    "SuvKind",
    "Volume",
    "examine",
    "suv_factors",
    "volume",
    "volumes",
]
