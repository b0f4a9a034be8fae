"""What every phantom instance has: identity, patient, study, equipment."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray
from pydicom import DataElement, Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import FileMetaDataset

from dicomlab.phantoms._encoding import encode

Value = object
"""What pydicom takes as the value of an attribute."""

_NAMESPACE = UUID("5c3f0f0e-5b6a-4f0e-9d43-6f4f2b9f6c11")
_STUDY_DATE = "20240115"
_STUDY_TIME = "093000"


def uid(*key: object) -> str:
    """Return the UID of a key, under the root for UUIDs (PS3.5 B.2)."""
    return f"2.25.{uuid5(_NAMESPACE, '/'.join(map(str, key))).int}"


IMPLEMENTATION_CLASS_UID = uid("implementation")
IMPLEMENTATION_VERSION_NAME = "DICOMLAB_PHANTOM"


def decimal(value: float) -> str:
    """Return a number as a Decimal String, as exactly as 16 characters can (PS3.5 6.2)."""
    for digits in range(17, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16 and (len(repr(value)) > 16 or float(text) == value):
            shortest = repr(value).removesuffix(".0")
            return shortest if len(shortest) <= 16 else text
    raise ValueError(f"{value} has no Decimal String.")


def decimals(values: Sequence[float]) -> list[str]:
    """Return numbers as Decimal Strings."""
    return [decimal(value) for value in values]


def dataset(values: Mapping[str, Value]) -> Dataset:
    """Return a data set from values by keyword."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def code(value: str, meaning: str, scheme: str = "SCT") -> Dataset:
    """Return the item of a code sequence (PS3.3 8.8)."""
    return dataset({"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning})


def common(
    seed: int, study: str, modality: str, series: str, number: int, *, made_with: Value
) -> dict[str, Value]:
    """Return what all instances of a phantom series share, by keyword.

    Two series of one study and seed have the same patient, study and frame of reference. What a
    series was made with is part of its UID, so that other pixels never go by the same one.
    """
    return {
        "SpecificCharacterSet": "ISO_IR 192",
        "InstanceCreationDate": _STUDY_DATE,
        "InstanceCreationTime": "100000",
        "StudyDate": _STUDY_DATE,
        "SeriesDate": _STUDY_DATE,
        "AcquisitionDate": _STUDY_DATE,
        "ContentDate": _STUDY_DATE,
        "StudyTime": _STUDY_TIME,
        "SeriesTime": "093500",
        "AcquisitionTime": "093500",
        "ContentTime": "093500",
        "AccessionNumber": f"P{seed:07d}",
        "Modality": modality,
        "Manufacturer": "dicomlab",
        "ManufacturerModelName": "Phantom",
        "DeviceSerialNumber": "1",
        "SoftwareVersions": "1",
        "InstitutionName": "Synthetic data",
        "ReferringPhysicianName": "",
        "StudyDescription": f"Phantom {study}",
        "SeriesDescription": series,
        "PatientName": f"PHANTOM^{study.upper()}",
        "PatientID": f"PHANTOM-{study.upper()}-{seed}",
        "PatientBirthDate": "",
        "PatientSex": "O",
        "PatientSize": "1.75",
        "PatientWeight": "75",
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": "Synthetic: no patient ever was",
        "StudyInstanceUID": uid(seed, study),
        "SeriesInstanceUID": uid(seed, study, modality, series, made_with),
        "StudyID": f"{seed}",
        "SeriesNumber": number,
        "FrameOfReferenceUID": uid(seed, study, "frame of reference"),
        "PositionReferenceIndicator": "",
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
    }


def pixels(stored: NDArray[np.integer], *, bits_stored: int | None = None) -> dict[str, Value]:
    """Return the Image Pixel attributes of one monochrome plane or of frames (PS3.3 C.7.6.3)."""
    bits = stored.dtype.itemsize * 8
    used = bits_stored or bits
    return {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": stored.shape[-2],
        "Columns": stored.shape[-1],
        "BitsAllocated": bits,
        "BitsStored": used,
        "HighBit": used - 1,
        "PixelRepresentation": int(stored.dtype.kind == "i"),
    }


def check_keywords(attributes: Mapping[str, Value]) -> None:
    """Refuse a keyword that the standard does not have.

    Raises
    ------
    ValueError
        It is not in PS3.6.
    """
    for keyword in attributes:
        if tag_for_keyword(keyword) is None:
            raise ValueError(
                f"{keyword!r} is no keyword of the DICOM dictionary (PS3.6 section 6): give "
                "attributes by keyword, for example PatientName."
            )


def instance(
    shared: Dataset,
    own: Mapping[str, Value],
    stored: NDArray[np.integer],
    *,
    transfer_syntax_uid: str,
    attributes: Mapping[str, Value],
) -> Dataset:
    """Return one instance: what the series shares, its own values, its pixels, the caller's wishes.

    The caller's attributes win over all others, so that a test can spoil whatever it likes; a value
    of ``None`` removes the attribute.
    """
    made = copied(shared)
    for keyword, value in own.items():
        setattr(made, keyword, value)
    made.SOPInstanceUID = uid(made.SeriesInstanceUID, made.InstanceNumber)
    is_words = stored.dtype.itemsize == 2
    little = stored.astype(stored.dtype.newbyteorder("<"), copy=False)
    made.add_new(0x7FE00010, "OW" if is_words else "OB", _even(little.tobytes()))
    for keyword, value in attributes.items():
        if value is None:
            if keyword in made:
                delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    made.file_meta = file_meta(made, "1.2.840.10008.1.2.1")
    return encode(made, transfer_syntax_uid)


def _even(values: bytes) -> bytes:
    """Return bytes of even length, as every value must be (PS3.5 7.1.1)."""
    return values + b"\0" * (len(values) % 2)


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


def copied(original: Dataset) -> Dataset:
    """Return a data set with elements of its own, so that a change to it stays in it.

    Quicker than ``copy.deepcopy``, which takes longer than making the pixels.
    """
    made = Dataset()
    for element in original:
        simple = isinstance(element.value, str | int | float | bytes)
        twin: DataElement = copy.copy(element) if simple else copy.deepcopy(element)
        made.add(twin)
    return made
