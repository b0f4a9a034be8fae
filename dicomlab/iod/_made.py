"""What every object that is written by hand has: patient, study, series, equipment, identity."""

from __future__ import annotations

from datetime import datetime

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset

from dicomlab.iod._origin import Equipment, new_uid
from dicomlab.standard import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"

_OF_THE_STUDY = (
    "SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate",
    "PatientSex", "PatientAge", "PatientSize", "PatientWeight", "PatientIdentityRemoved",
    "DeidentificationMethod", "DeidentificationMethodCodeSequence", "StudyInstanceUID",
    "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber",
    "ReferringPhysicianName", "LongitudinalTemporalInformationModified",
)  # fmt: skip
"""What a derived object has in common with its source (PS3.3 C.7.1 and C.7.2)."""
_TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


def derived(
    source: Dataset,
    sop_class_uid: str,
    modality: str,
    *,
    series_description: str,
    series_number: int,
    equipment: Equipment,
    series_instance_uid: str | None = None,
    instance_number: int = 1,
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
) -> Dataset:
    """Return a data set of the source's patient and study, with a series of its own."""
    made = Dataset()
    for keyword in _OF_THE_STUDY:
        if keyword in source:
            setattr(made, keyword, source[keyword].value)
    for keyword in _TYPE_2:
        if keyword not in made:
            setattr(made, keyword, None)
    now = datetime.now().astimezone()
    made.InstanceCreationDate = made.SeriesDate = made.ContentDate = now.strftime("%Y%m%d")
    made.InstanceCreationTime = made.SeriesTime = made.ContentTime = now.strftime("%H%M%S")
    made.SOPClassUID = sop_class_uid
    made.SOPInstanceUID = new_uid()
    made.Modality = modality
    made.SeriesInstanceUID = series_instance_uid or new_uid()
    made.SeriesDescription = series_description
    made.SeriesNumber = series_number
    made.InstanceNumber = instance_number
    made.Manufacturer = equipment.manufacturer
    made.ManufacturerModelName = equipment.manufacturer_model_name
    made.DeviceSerialNumber = equipment.device_serial_number
    made.SoftwareVersions = equipment.software_versions
    made.file_meta = file_meta(made, transfer_syntax_uid)
    return made


def copy_body_part(source: Dataset, made: Dataset) -> None:
    """Say of a derived object which part of the body it shows (PS3.3 C.7.3.1).

    Laterality (0020,0060) is type 2C: it stands empty where nothing says that it is not needed.
    """
    if source.get("BodyPartExamined"):
        made.BodyPartExamined = source.BodyPartExamined
    made.Laterality = source.get("Laterality")
    if not made.Laterality and "BodyPartExamined" in made:
        del made.Laterality


def file_meta(made: Dataset, transfer_syntax_uid: str) -> FileMetaDataset:
    """Return the File Meta Information of a data set (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax_uid
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta


def reference(source: Dataset, frame_number: int | None = None) -> Dataset:
    """Return a SOP Instance Reference to a data set, or to one of its frames (PS3.3 10.8)."""
    made = Dataset()
    made.ReferencedSOPClassUID = source.SOPClassUID
    made.ReferencedSOPInstanceUID = source.SOPInstanceUID
    if frame_number is not None:
        made.ReferencedFrameNumber = frame_number
    return made


def decimal(value: float) -> str:
    """Return a number as a Decimal String, as exactly as 16 characters can (PS3.5 6.2)."""
    text = repr(float(value)).removesuffix(".0")
    digits = 16
    while len(text) > 16:
        text = f"{value:.{digits}g}"
        digits -= 1
    return text
