"""Small Part 10 files for tests, made with pydicom alone."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

ROOT = "1.2.826.0.1.3680043.8.498.77"


def uid(*numbers: int) -> str:
    """Return a UID for a test."""
    return ".".join((ROOT, *map(str, numbers)))


def data_set(study: int = 1, series: int = 1, instance: int = 1, **attributes: Any) -> Dataset:
    """Return a secondary capture of 4 by 4 pixels; attributes of None are left out."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    values: dict[str, Any] = {
        "SOPClassUID": SecondaryCaptureImageStorage,
        "SOPInstanceUID": uid(study, series, instance),
        "StudyInstanceUID": uid(study),
        "SeriesInstanceUID": uid(study, series),
        "PatientID": f"P{study}",
        "PatientName": f"Doe^Number{study}",
        "StudyDate": f"202401{study:02d}",
        "Modality": "OT",
        "SeriesNumber": series,
        "InstanceNumber": instance,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 4,
        "Columns": 4,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "PixelData": bytes(range(16)),
    }
    for keyword, value in (values | attributes).items():
        if value is not None:
            setattr(made, keyword, value)
    made["PixelData"].VR = "OB"
    return made


def part10(study: int = 1, series: int = 1, instance: int = 1, **attributes: Any) -> bytes:
    """Return the same as a file."""
    made = data_set(study, series, instance, **attributes)
    buffer = BytesIO()
    dcmwrite(buffer, made, enforce_file_format=True)
    return buffer.getvalue()
