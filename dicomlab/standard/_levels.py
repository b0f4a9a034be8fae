"""Query/Retrieve levels and the attributes that live on each (PS3.4 C.3 and C.6)."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """Query/Retrieve Level (0008,0052), in the standard's own spelling."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"

    @classmethod
    def _missing_(cls, value: object) -> Level | None:
        text = str(value).upper()
        return cls.IMAGE if text == "INSTANCE" else cls.__members__.get(text)

    @property
    def depth(self) -> int:
        """0 for patient to 3 for image."""
        return list(Level).index(self)


UNIQUE_KEY: dict[Level, str] = {
    Level.PATIENT: "PatientID",
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}

LEVEL_KEYS: dict[Level, tuple[str, ...]] = {
    Level.PATIENT: (
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientBirthTime",
        "PatientSex",
        "OtherPatientIDs",
        "OtherPatientIDsSequence",
        "OtherPatientNames",
        "EthnicGroup",
        "PatientComments",
        "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries",
        "NumberOfPatientRelatedInstances",
    ),
    Level.STUDY: (
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "IssuerOfAccessionNumberSequence",
        "StudyID",
        "StudyDescription",
        "ModalitiesInStudy",
        "SOPClassesInStudy",
        "ReferringPhysicianName",
        "PhysiciansOfRecord",
        "NameOfPhysiciansReadingStudy",
        "AdmittingDiagnosesDescription",
        "ProcedureCodeSequence",
        "ReferencedStudySequence",
        "PatientAge",
        "PatientSize",
        "PatientWeight",
        "Occupation",
        "AdditionalPatientHistory",
        "TimezoneOffsetFromUTC",
        "InstitutionName",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: (
        "SeriesInstanceUID",
        "Modality",
        "SeriesNumber",
        "SeriesDescription",
        "SeriesDate",
        "SeriesTime",
        "BodyPartExamined",
        "ProtocolName",
        "Laterality",
        "PatientPosition",
        "FrameOfReferenceUID",
        "Manufacturer",
        "ManufacturerModelName",
        "StationName",
        "InstitutionalDepartmentName",
        "PerformingPhysicianName",
        "OperatorsName",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "PerformedProcedureStepID",
        "RequestAttributesSequence",
        "NumberOfSeriesRelatedInstances",
    ),
    Level.IMAGE: (
        "SOPInstanceUID",
        "SOPClassUID",
        "AvailableTransferSyntaxUID",
        "InstanceNumber",
        "ImageType",
        "AcquisitionDate",
        "AcquisitionTime",
        "AcquisitionDateTime",
        "AcquisitionNumber",
        "ContentDate",
        "ContentTime",
        "InstanceCreationDate",
        "InstanceCreationTime",
        "Rows",
        "Columns",
        "BitsAllocated",
        "NumberOfFrames",
        "PhotometricInterpretation",
        "ContentLabel",
        "ContentDescription",
        "ConceptNameCodeSequence",
        "CompletionFlag",
        "VerificationFlag",
        "VerificationDateTime",
    ),
}
"""Attributes that a query or a record may hold on each level: PS3.4 C.6.1 and PS3.18 10.6.1.2.3's
keys, those of the requirement register, and what a researcher filters by."""

AGGREGATES = frozenset((
    "ModalitiesInStudy", "SOPClassesInStudy",
    "NumberOfPatientRelatedStudies", "NumberOfPatientRelatedSeries",
    "NumberOfPatientRelatedInstances", "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances", "NumberOfSeriesRelatedInstances",
))  # fmt: skip
"""Level keys that no instance holds: they are computed from what lies below (PS3.4 C.6)."""

_CODE = (
    "CodeValue", "LongCodeValue", "URNCodeValue", "CodingSchemeDesignator", "CodingSchemeVersion",
    "CodeMeaning",
)  # fmt: skip

ITEM_KEYS: dict[str, tuple[str, ...]] = {
    "OtherPatientIDsSequence": ("PatientID", "IssuerOfPatientID", "TypeOfPatientID"),
    "IssuerOfAccessionNumberSequence": (
        "LocalNamespaceEntityID", "UniversalEntityID", "UniversalEntityIDType",
    ),
    "ProcedureCodeSequence": _CODE,
    "ReferencedStudySequence": ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID"),
    "RequestAttributesSequence": (
        "RequestedProcedureID", "RequestedProcedureDescription", "ScheduledProcedureStepID",
        "ScheduledProcedureStepDescription", "AccessionNumber", "StudyInstanceUID",
    ),
    "ConceptNameCodeSequence": _CODE,
}  # fmt: skip
"""What a record holds of the items of a sequence, and a query may match."""

_OWNER = {key: level for level, keys in LEVEL_KEYS.items() for key in keys}


def level_of(keyword: str) -> Level:
    """Return the level that owns an attribute; what no level owns belongs to the instance."""
    return _OWNER.get(keyword, Level.IMAGE)
