"""Phantoms of documents: reports, presentation states, registrations and what refers to others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
from pydicom import Dataset

from dicomlab.phantoms._instances import Value, code, dataset, uid
from dicomlab.phantoms._storage_base import base, coded, sequence, spatial

_ROOT = "1.2.840.10008.5.1.4.1.1."
_CT = "1.2.840.10008.5.1.4.1.1.2"
_PDF: Final = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)


def _image(seed: int) -> tuple[str, str]:
    """Return series and instance UID of the CT phantom of the study."""
    return uid(seed, "storage", _CT), uid(seed, "storage", _CT, "instance")


def _reference(seed: int) -> Dataset:
    return dataset({"ReferencedSOPClassUID": _CT, "ReferencedSOPInstanceUID": _image(seed)[1]})


def _series(seed: int, sequence_of: str = "ReferencedInstanceSequence") -> Dataset:
    return dataset({"SeriesInstanceUID": _image(seed)[0], sequence_of: [_reference(seed)]})


def _evidence(seed: int) -> list[Dataset]:
    return [
        dataset(
            {
                "StudyInstanceUID": uid(seed, "Storage"),
                "ReferencedSeriesSequence": [_series(seed, "ReferencedSOPSequence")],
            }
        )
    ]


def item(kind: str, name: Dataset, relationship: str = "CONTAINS", **values: Value) -> Dataset:
    """Return a content item (PS3.3 C.17.3)."""
    return dataset(
        {
            "RelationshipType": relationship,
            "ValueType": kind,
            "ConceptNameCodeSequence": [name],
            **values,
        }
    )


def _number(name: Dataset, value: str, units: Dataset) -> Dataset:
    return item(
        "NUM",
        name,
        MeasuredValueSequence=sequence(NumericValue=value, MeasurementUnitsCodeSequence=[units]),
    )


def _observer(seed: int) -> list[Dataset]:
    return [
        item(
            "CODE",
            code("121005", "Observer Type", "DCM"),
            "HAS OBS CONTEXT",
            ConceptCodeSequence=coded("121007", "Device", "DCM"),
        ),
        item(
            "UIDREF",
            code("121012", "Device Observer UID", "DCM"),
            "HAS OBS CONTEXT",
            UID=uid(seed, "observer"),
        ),
    ]


def _report(
    seed: int,
    description: str,
    title: Dataset,
    template: str | None,
    children: Sequence[Dataset],
    *,
    refers: bool = False,
) -> Dataset:
    values = base(
        seed,
        "SR",
        description,
        ValueType="CONTAINER",
        ConceptNameCodeSequence=[title],
        ContinuityOfContent="SEPARATE",
        CompletionFlag="COMPLETE",
        VerificationFlag="UNVERIFIED",
        PerformedProcedureCodeSequence=[],
        ReferencedPerformedProcedureStepSequence=[],
        ContentSequence=[*_observer(seed), *children],
    )
    if template is not None:
        values["ContentTemplateSequence"] = sequence(
            MappingResource="DCMR", TemplateIdentifier=template
        )
    if refers:
        values["CurrentRequestedProcedureEvidenceSequence"] = _evidence(seed)
    return dataset(values)


_TEXT: Final = code("121071", "Finding", "DCM")


def _findings(text: str) -> Dataset:
    return item(
        "CONTAINER",
        code("121070", "Findings", "DCM"),
        ContinuityOfContent="SEPARATE",
        ContentSequence=[item("TEXT", _TEXT, TextValue=text)],
    )


def _basic(seed: int) -> Dataset:
    title = code("18748-4", "Diagnostic imaging study", "LN")
    return _report(seed, "Basic text", title, None, [_findings("A disc, and no disease.")])


def _enhanced(seed: int) -> Dataset:
    title = code("18748-4", "Diagnostic imaging study", "LN")
    length = _number(code("410668003", "Length"), "12.5", code("mm", "millimeter", "UCUM"))
    return _report(seed, "Enhanced", title, None, [_findings("A disc."), length])


def _comprehensive(seed: int) -> Dataset:
    title = code("126000", "Imaging Measurement Report", "DCM")
    picture = item(
        "IMAGE",
        code("260753009", "Source"),
        ReferencedSOPSequence=[_reference(seed)],
    )
    volume = _number(code("118565006", "Volume"), "3.5", code("cm3", "cubic centimeter", "UCUM"))
    return _report(seed, "Comprehensive", title, None, [picture, volume], refers=True)


def _cad(seed: int, description: str, title: Dataset, template: str) -> Dataset:
    """Computer-aided detection that found nothing (TID 4000, 4100)."""
    results = item(
        "CODE",
        code("111017", "CAD Processing and Findings Summary", "DCM"),
        ConceptCodeSequence=coded("111242", "All algorithms succeeded; without findings", "DCM"),
    )
    language = item(
        "CODE",
        code("121049", "Language of Content Item and Descendants", "DCM"),
        "HAS CONCEPT MOD",
        ConceptCodeSequence=coded("en", "English", "RFC5646"),
    )
    return _report(seed, description, title, template, [language, results], refers=True)


def _procedure_log(seed: int) -> Dataset:
    entry = item(
        "CONTAINER",
        code("121120", "Cath Lab Procedure Log", "DCM"),
        ContinuityOfContent="SEPARATE",
        ObservationDateTime="20240115093500",
        ContentSequence=[
            item(
                "TEXT",
                code("121124", "Procedure Action Item ID", "DCM"),
                ObservationDateTime="20240115093510",
                TextValue="Table moved.",
            )
        ],
    )
    title = code("121120", "Cath Lab Procedure Log", "DCM")
    made = _report(seed, "Procedure log", title, None, [entry])
    for child in made.ContentSequence:
        child.ObservationDateTime = "20240115093500"
    made.SynchronizationFrameOfReferenceUID = uid(seed, "synchronization")
    made.SynchronizationTrigger = "NO TRIGGER"
    made.AcquisitionTimeSynchronized = "N"
    del made.PatientSize, made.PatientWeight
    return made


def _radiation(seed: int) -> Dataset:
    title = code("113701", "X-Ray Radiation Dose Report", "DCM")
    children = [
        item(
            "CODE",
            code("121058", "Procedure reported", "DCM"),
            "HAS CONCEPT MOD",
            ConceptCodeSequence=coded("77477000", "Computed Tomography X-Ray"),
        ),
        item(
            "CONTAINER",
            code("113811", "CT Accumulated Dose Data", "DCM"),
            ContinuityOfContent="SEPARATE",
            ContentSequence=[
                _number(
                    code("113812", "Total Number of Irradiation Events", "DCM"),
                    "1",
                    code("{events}", "events", "UCUM"),
                ),
                _number(
                    code("113813", "CT Dose Length Product Total", "DCM"),
                    "350",
                    code("mGy.cm", "mGy.cm", "UCUM"),
                ),
            ],
        ),
    ]
    return _report(seed, "Radiation dose", title, "10011", children)


def _key_objects(seed: int) -> Dataset:
    values = base(
        seed,
        "KO",
        "Key objects",
        ReferencedPerformedProcedureStepSequence=[],
        CurrentRequestedProcedureEvidenceSequence=_evidence(seed),
        ValueType="CONTAINER",
        ConceptNameCodeSequence=coded("113000", "Of Interest", "DCM"),
        ContinuityOfContent="SEPARATE",
        ContentTemplateSequence=sequence(MappingResource="DCMR", TemplateIdentifier="2010"),
        ContentSequence=[
            dataset(
                {
                    "RelationshipType": "CONTAINS",
                    "ValueType": "IMAGE",
                    "ReferencedSOPSequence": [_reference(seed)],
                }
            )
        ],
    )
    return dataset(values)


def _state(seed: int, description: str, **values: Value) -> Dataset:
    """Return a presentation state of the CT phantom (PS3.3 A.33)."""
    made = dataset(
        base(
            seed,
            "PR",
            description,
            BodyPartExamined="CHEST",
            ContentLabel="STATE",
            ContentDescription=description,
            ContentCreatorName="",
            PresentationCreationDate="20240115",
            PresentationCreationTime="100000",
            **values,
        )
    )
    del made.ContentDate, made.ContentTime
    return made


def _shown(seed: int) -> dict[str, Value]:
    """Return which images a state is for, and the area of them that is shown."""
    return {
        "ReferencedSeriesSequence": [_series(seed, "ReferencedImageSequence")],
        "DisplayedAreaSelectionSequence": sequence(
            ReferencedImageSequence=[_reference(seed)],
            DisplayedAreaTopLeftHandCorner=[1, 1],
            DisplayedAreaBottomRightHandCorner=[32, 32],
            PresentationSizeMode="SCALE TO FIT",
            PresentationPixelAspectRatio=["1", "1"],
        ),
    }


def _window() -> list[Dataset]:
    return sequence(WindowCenter="40", WindowWidth="400")


def _grey_state(seed: int) -> Dataset:
    return _state(
        seed,
        "Grey-scale state",
        **_shown(seed),
        RescaleIntercept="-1024",
        RescaleSlope="1",
        RescaleType="HU",
        SoftcopyVOILUTSequence=_window(),
        PresentationLUTShape="IDENTITY",
    )


def _palette() -> dict[str, Value]:
    """Return a palette from black through red to white, and a profile of sRGB's primaries."""
    ramp = np.linspace(0, 65535, 256)
    tables = {
        "Red": np.clip(ramp * 2, 0, 65535),
        "Green": np.clip(ramp * 2 - 65535, 0, 65535),
        "Blue": np.clip(ramp * 2 - 65535, 0, 65535),
    }
    found: dict[str, Value] = {}
    for name, table in tables.items():
        found[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        found[f"{name}PaletteColorLookupTableData"] = table.astype("<u2").tobytes()
    found["ICCProfile"] = _icc_profile()
    return found


def _icc_profile() -> bytes:
    """Return a small ICC v2 display profile: matrix and gamma 2.2 (ICC.1:2001-04)."""

    def fixed(*numbers: float) -> bytes:
        return b"".join(round(number * 65536).to_bytes(4, "big", signed=True) for number in numbers)

    curve = b"curv\0\0\0\0\0\0\0\1" + round(2.2 * 256).to_bytes(2, "big")
    tags = {
        b"desc": b"desc\0\0\0\0" + (5).to_bytes(4, "big") + b"sRGB\0" + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249),
        b"rXYZ": b"XYZ \0\0\0\0" + fixed(0.4361, 0.2225, 0.0139),
        b"gXYZ": b"XYZ \0\0\0\0" + fixed(0.3851, 0.7169, 0.0971),
        b"bXYZ": b"XYZ \0\0\0\0" + fixed(0.1431, 0.0606, 0.7141),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        table += name + (start + len(data)).to_bytes(4, "big") + len(body).to_bytes(4, "big")
        data += body + bytes(-len(body) % 4)
    size = start + len(data)
    header = (
        size.to_bytes(4, "big") + bytes(4) + bytes((2, 0x40, 0, 0)) + b"mntrRGB XYZ "
        + bytes((7, 232, 0, 1, 0, 15, 0, 0, 0, 0, 0, 0)) + b"acsp" + bytes(28)
        + fixed(0.9642, 1.0, 0.8249)
    )  # fmt: skip
    return header + bytes(128 - len(header)) + len(tags).to_bytes(4, "big") + table + data


def _colour_state(seed: int) -> Dataset:
    return _state(seed, "Colour state", **_shown(seed), ICCProfile=_icc_profile())


def _pseudo_state(seed: int) -> Dataset:
    return _state(
        seed,
        "Pseudo-colour state",
        **_shown(seed),
        RescaleIntercept="-1024",
        RescaleSlope="1",
        RescaleType="HU",
        SoftcopyVOILUTSequence=_window(),
        **_palette(),
    )


def _blending_state(seed: int) -> Dataset:
    def blended(position: str) -> Dataset:
        return dataset(
            {
                "BlendingPosition": position,
                "StudyInstanceUID": uid(seed, "Storage"),
                "ReferencedSeriesSequence": [_series(seed, "ReferencedImageSequence")],
                "RescaleIntercept": "-1024",
                "RescaleSlope": "1",
                "RescaleType": "HU",
                "SoftcopyVOILUTSequence": _window(),
            }
        )

    shown = _shown(seed)
    del shown["ReferencedSeriesSequence"]
    return _state(
        seed,
        "Blending state",
        **shown,
        BlendingSequence=[blended("UNDERLYING"), blended("SUPERIMPOSED")],
        RelativeOpacity=0.5,
        **_palette(),
    )


def _encapsulated_pdf(seed: int) -> Dataset:
    return dataset(
        base(
            seed,
            "DOC",
            "Document",
            ConversionType="WSD",
            AcquisitionDateTime="",
            BurnedInAnnotation="NO",
            DocumentTitle="A page",
            ConceptNameCodeSequence=[],
            MIMETypeOfEncapsulatedDocument="application/pdf",
            EncapsulatedDocumentLength=len(_PDF),
            EncapsulatedDocument=_PDF + b"\0" * (len(_PDF) % 2),
        )
    )


_IDENTITY: Final = ["1", "0", "0", "0", "0", "1", "0", "0", "0", "0", "1", "0", "0", "0", "0", "1"]


def _registration(seed: int) -> Dataset:
    frame = spatial(seed)
    matrix = sequence(
        MatrixSequence=sequence(
            FrameOfReferenceTransformationMatrix=_IDENTITY,
            FrameOfReferenceTransformationMatrixType="RIGID",
        ),
        RegistrationTypeCodeSequence=coded("125024", "Image Content-based Alignment", "DCM"),
    )
    return dataset(
        base(
            seed,
            "REG",
            "Registration",
            BodyPartExamined="CHEST",
            **frame,
            ContentLabel="REGISTRATION",
            ContentDescription="Registration",
            ContentCreatorName="",
            RegistrationSequence=sequence(
                FrameOfReferenceUID=frame["FrameOfReferenceUID"],
                ReferencedImageSequence=[_reference(seed)],
                MatrixRegistrationSequence=matrix,
            ),
            ReferencedSeriesSequence=[_series(seed)],
        )
    )


def _fiducials(seed: int) -> Dataset:
    fiducial = dataset(
        {
            "FiducialIdentifier": "TIP",
            "FiducialDescription": "The tip of the phantom",
            "ShapeType": "POINT",
            "NumberOfContourPoints": 1,
            "ContourData": ["0", "0", "0"],
        }
    )
    return dataset(
        base(
            seed,
            "FID",
            "Fiducials",
            BodyPartExamined="CHEST",
            ContentLabel="FIDUCIALS",
            ContentDescription="Fiducials",
            ContentCreatorName="",
            FiducialSetSequence=sequence(
                FrameOfReferenceUID=spatial(seed)["FrameOfReferenceUID"],
                FiducialSequence=[fiducial],
            ),
        )
    )


def _real_world_values(seed: int) -> Dataset:
    mapping = dataset(
        {
            "RealWorldValueFirstValueMapped": 0,
            "RealWorldValueLastValueMapped": 4095,
            "RealWorldValueIntercept": -1024.0,
            "RealWorldValueSlope": 1.0,
            "LUTExplanation": "Hounsfield units",
            "LUTLabel": "HU",
            "MeasurementUnitsCodeSequence": coded("[hnsf'U]", "Hounsfield unit", "UCUM"),
        }
    )
    return dataset(
        base(
            seed,
            "RWV",
            "Real-world values",
            BodyPartExamined="CHEST",
            ContentLabel="VALUES",
            ContentDescription="Real-world values",
            ContentCreatorName="",
            ReferencedImageRealWorldValueMappingSequence=sequence(
                ReferencedImageSequence=[_reference(seed)],
                RealWorldValueMappingSequence=[mapping],
            ),
            ReferencedSeriesSequence=[_series(seed)],
        )
    )


def _stereometric(seed: int) -> Dataset:
    fundus = dataset(
        {
            "ReferencedSOPClassUID": _ROOT + "77.1.5.1",
            "ReferencedSOPInstanceUID": uid(seed, "storage", _ROOT + "77.1.5.1", "instance"),
        }
    )
    made = dataset(
        base(
            seed,
            "SMR",
            "Stereometric relationship",
            BodyPartExamined="EYE",
            Laterality="L",
            StereoPairsSequence=sequence(
                StereoBaselineAngle=10.0,
                StereoBaselineDisplacement=2.0,
                LeftImageSequence=[fundus],
                RightImageSequence=[fundus],
            ),
        )
    )
    del made.ContentDate, made.ContentTime
    return made


def _raw(seed: int) -> Dataset:
    made = dataset(
        base(
            seed,
            "CT",
            "Raw data",
            BodyPartExamined="CHEST",
            **spatial(seed),
            CreatorVersionUID=uid("raw data", "version"),
            AcquisitionContextSequence=[],
        )
    )
    made.add_new(0x00210010, "LO", "DICOMLAB PHANTOM")
    made.add_new(0x00211001, "OB", bytes(range(64)))
    return made


MAKERS: Final[Mapping[str, Callable[[int], Dataset]]] = {
    _ROOT + "104.1": _encapsulated_pdf,
    _ROOT + "88.11": _basic,
    _ROOT + "88.22": _enhanced,
    _ROOT + "88.33": _comprehensive,
    _ROOT + "88.65": partial(
        _cad,
        description="Chest CAD",
        title=code("112000", "Chest CAD Report", "DCM"),
        template="4100",
    ),
    _ROOT + "88.50": partial(
        _cad,
        description="Mammography CAD",
        title=code("111036", "Mammography CAD Report", "DCM"),
        template="4000",
    ),
    _ROOT + "88.40": _procedure_log,
    _ROOT + "88.67": _radiation,
    _ROOT + "88.59": _key_objects,
    _ROOT + "11.1": _grey_state,
    _ROOT + "11.2": _colour_state,
    _ROOT + "11.3": _pseudo_state,
    _ROOT + "11.4": _blending_state,
    _ROOT + "66": _raw,
    _ROOT + "66.1": _registration,
    _ROOT + "66.2": _fiducials,
    _ROOT + "67": _real_world_values,
    _ROOT + "77.1.5.3": _stereometric,
}
