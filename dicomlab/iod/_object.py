"""Any derived object, opened by what its SOP Class says it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from dicomlab.errors import UnsupportedError
from dicomlab.iod._document import EncapsulatedDocument, read_document
from dicomlab.iod._dose import RT_DOSE, read_dose
from dicomlab.iod._key_objects import (
    KEY_OBJECT_SELECTION,
    KeyObjectSelection,
    read_key_objects,
)
from dicomlab.iod._load import Loadable, Loaded, load
from dicomlab.iod._parametric_map import PARAMETRIC_MAP, read_parametric_map
from dicomlab.iod._presentation_state import PresentationState, StateKind, read_presentation_state
from dicomlab.iod._registration import SPATIAL_REGISTRATION, Registration, read_registration
from dicomlab.iod._report import Report, read_report
from dicomlab.iod._segmentation import SEGMENTATION_CLASSES, Segmentation, read_segmentation
from dicomlab.iod._spectroscopy import MR_SPECTROSCOPY, Spectra, read_spectra
from dicomlab.iod._structures import RT_STRUCTURE_SET, StructureSet, read_structure_set
from dicomlab.iod._waveform import Waveform, read_waveform
from dicomlab.standard import sop_class_name
from dicomlab.volume import Volume

DerivedObject: TypeAlias = (
    Segmentation
    | StructureSet
    | Report
    | KeyObjectSelection
    | Registration
    | Volume
    | Waveform
    | EncapsulatedDocument
    | Spectra
    | PresentationState
)
"""What `read_object` gives; doses and parametric maps are volumes."""

_READERS: Mapping[str, Callable[[Loaded], DerivedObject]] = {
    **dict.fromkeys(SEGMENTATION_CLASSES, read_segmentation),
    RT_STRUCTURE_SET: read_structure_set,
    RT_DOSE: read_dose,
    KEY_OBJECT_SELECTION: read_key_objects,
    PARAMETRIC_MAP: read_parametric_map,
    SPATIAL_REGISTRATION: read_registration,
    MR_SPECTROSCOPY: read_spectra,
    **dict.fromkeys(StateKind, read_presentation_state),
}
_ROOTS: Mapping[str, Callable[[Loaded], DerivedObject]] = {
    "1.2.840.10008.5.1.4.1.1.9.": read_waveform,
    "1.2.840.10008.5.1.4.1.1.88.": read_report,
    "1.2.840.10008.5.1.4.1.1.104.": read_document,
}
"""Families of classes that are read alike."""


def read_object(what: Loadable) -> DerivedObject:
    """Return a derived object as what its SOP Class says it is.

    Raises
    ------
    UnsupportedError
        There is no reader for the class: images open as volumes or frame by frame.
    """
    loaded = load(what)
    uid = loaded.sop_class_uid
    reader = _READERS.get(uid) or next(
        (read for root, read in _ROOTS.items() if uid.startswith(root)), None
    )
    if reader is None:
        raise UnsupportedError(
            f"Instance {loaded.sop_instance_uid} is of SOP Class {sop_class_name(uid) or 'none'}, "
            "which is no derived object. Open images with series.volume() or instance.pixels().",
            sop_class_uid=uid,
        )
    return reader(loaded)
