"""Derived objects: what was found in images, read and written, on highdicom."""

from dicomlab.iod._codes import NO_UNITS, Code
from dicomlab.iod._content import ContentItem, InstanceReference
from dicomlab.iod._derived_series import write_derived_series
from dicomlab.iod._document import EncapsulatedDocument, read_document, write_document
from dicomlab.iod._dose import (
    DoseVolumeHistogram,
    dose_volume_histogram,
    read_dose,
    read_dose_volume_histograms,
)
from dicomlab.iod._key_objects import (
    FOR_RESEARCH,
    FOR_TEACHING,
    OF_INTEREST,
    KeyObject,
    KeyObjectSelection,
    read_key_objects,
    write_key_objects,
)
from dicomlab.iod._load import Loadable, load
from dicomlab.iod._object import DerivedObject, read_object
from dicomlab.iod._on_grid import Placed
from dicomlab.iod._origin import DICOMLAB, Equipment, Source, WriteOptions
from dicomlab.iod._parametric_map import read_parametric_map, write_parametric_map
from dicomlab.iod._presentation_state import (
    DisplayedArea,
    Graphic,
    ImageReference,
    PresentationState,
    Shutter,
    SoftcopyVoi,
    StateKind,
    read_presentation_state,
)
from dicomlab.iod._registration import Registration, read_registration, write_registration
from dicomlab.iod._report import Measurement, MeasurementGroup, Report, read_report
from dicomlab.iod._segmentation import (
    Segment,
    Segmentation,
    SegmentationType,
    read_segmentation,
)
from dicomlab.iod._slide import Slide, SlideLevel, read_slide
from dicomlab.iod._spectroscopy import RawDescription, Spectra, describe_raw, read_spectra
from dicomlab.iod._structures import Contour, Roi, StructureSet, read_structure_set
from dicomlab.iod._waveform import Waveform, WaveformChannel, WaveformGroup, read_waveform
from dicomlab.iod._write_presentation_state import write_presentation_state
from dicomlab.iod._write_report import write_report
from dicomlab.iod._write_segmentation import Masks, SegmentationOptions, write_segmentation
from dicomlab.iod._write_structures import write_structure_set

__all__ = [
    "DICOMLAB",
    "FOR_RESEARCH",
    "FOR_TEACHING",
    "NO_UNITS",
    "OF_INTEREST",
    "Code",
    "ContentItem",
    "Contour",
    "DerivedObject",
    "DisplayedArea",
    "DoseVolumeHistogram",
    "EncapsulatedDocument",
    "Equipment",
    "Graphic",
    "ImageReference",
    "InstanceReference",
    "KeyObject",
    "KeyObjectSelection",
    "Loadable",
    "Masks",
    "Measurement",
    "MeasurementGroup",
    "Placed",
    "PresentationState",
    "RawDescription",
    "Registration",
    "Report",
    "Roi",
    "Segment",
    "Segmentation",
    "SegmentationOptions",
    "SegmentationType",
    "Shutter",
    "Slide",
    "SlideLevel",
    "SoftcopyVoi",
    "Source",
    "Spectra",
    "StateKind",
    "StructureSet",
    "Waveform",
    "WaveformChannel",
    "WaveformGroup",
    "WriteOptions",
    "describe_raw",
    "dose_volume_histogram",
    "load",
    "read_document",
    "read_dose",
    "read_dose_volume_histograms",
    "read_key_objects",
    "read_object",
    "read_parametric_map",
    "read_presentation_state",
    "read_registration",
    "read_report",
    "read_segmentation",
    "read_slide",
    "read_spectra",
    "read_structure_set",
    "read_waveform",
    "write_derived_series",
    "write_document",
    "write_key_objects",
    "write_parametric_map",
    "write_presentation_state",
    "write_registration",
    "write_report",
    "write_segmentation",
    "write_structure_set",
]
