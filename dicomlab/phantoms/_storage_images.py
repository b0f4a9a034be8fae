"""Phantoms of image storage classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from pydicom import Dataset

from dicomlab.phantoms._ct import thorax_ct
from dicomlab.phantoms._enhanced import enhanced_ct
from dicomlab.phantoms._instances import Value, dataset, uid
from dicomlab.phantoms._mr import head_mr
from dicomlab.phantoms._pet import thorax_pet
from dicomlab.phantoms._storage_base import (
    coded,
    colour,
    grey,
    image,
    sequence,
    single_bits,
    spatial,
    with_pixels,
)

_ROOT = "1.2.840.10008.5.1.4.1.1."


def _computed_radiography(seed: int) -> Dataset:
    values = image(seed, "CR", "Computed radiography", BodyPartExamined="CHEST", ViewPosition="PA")
    return with_pixels(values, grey(seed))


def _digital(
    seed: int, modality: str, description: str, *, is_for_presentation: bool, **values: Value
) -> Dataset:
    """DX, MG and IO share the DX modules (PS3.3 C.8.11)."""
    shared: dict[str, Value] = {
        "ImageType": ["ORIGINAL", "PRIMARY", ""],
        "PresentationIntentType": "FOR PRESENTATION" if is_for_presentation else "FOR PROCESSING",
        "AnatomicRegionSequence": coded("51185008", "Chest"),
        "ImageLaterality": "U",
        "PresentationLUTShape": "IDENTITY",
        "PositionerType": None,
        "ImagerPixelSpacing": ["0.15", "0.15"],
        "DetectorType": "DIRECT",
        "DetectorID": "1",
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": 1,
        "RescaleIntercept": "0",
        "RescaleSlope": "1",
        "RescaleType": "US",
        "AcquisitionContextSequence": [],
        "AcquisitionDeviceProcessingDescription": "None",
    }
    if is_for_presentation:
        shared |= {"WindowCenter": "2048", "WindowWidth": "4096"}
    made = image(seed, modality, description)
    return with_pixels({**made, **shared, **values}, grey(seed))


def _x_ray(seed: int, *, is_for_presentation: bool) -> Dataset:
    return _digital(
        seed,
        "DX",
        "Digital X-ray",
        is_for_presentation=is_for_presentation,
        ViewCodeSequence=sequence(
            CodeValue="399348003",
            CodingSchemeDesignator="SCT",
            CodeMeaning="antero-posterior",
            ViewModifierCodeSequence=[],
        ),
    )


def _mammogram(seed: int, *, is_for_presentation: bool) -> Dataset:
    return _digital(
        seed,
        "MG",
        "Mammogram",
        is_for_presentation=is_for_presentation,
        AnatomicRegionSequence=coded("76752008", "Breast"),
        ImageLaterality="L",
        OrganExposed="BREAST",
        BreastImplantPresent="NO",
        PositionerType="MAMMOGRAPHIC",
        PositionerPrimaryAngle="0",
        ViewCodeSequence=sequence(
            CodeValue="399162004",
            CodingSchemeDesignator="SCT",
            CodeMeaning="cranio-caudal",
            ViewModifierCodeSequence=[],
        ),
        BodyPartThickness="50",
        CompressionForce="100",
        PartialView="NO",
        PatientOrientation=["A", "R"],
    )


def _intra_oral(seed: int, *, is_for_presentation: bool) -> Dataset:
    return _digital(
        seed,
        "IO",
        "Intra-oral X-ray",
        is_for_presentation=is_for_presentation,
        AnatomicRegionSequence=coded("39915008", "Tooth"),
        ImageLaterality="L",
        PrimaryAnatomicStructureSequence=coded("422653006", "Permanent lower left tooth"),
        PositionerType="NONE",
    )


def _secondary(seed: int) -> Dataset:
    values = image(seed, "OT", "Secondary capture", ConversionType="WSD", BodyPartExamined="CHEST")
    return with_pixels(values, grey(seed, bits=8))


def _multi_frame(
    seed: int, description: str, made: tuple[dict[str, Value], bytes], **values: Value
) -> Dataset:
    """Multi-frame secondary capture (PS3.3 A.8.2 to A.8.5)."""
    shared: dict[str, Value] = {
        "ConversionType": "WSD",
        "FrameIncrementPointer": 0x00181063,
        "FrameTime": "40",
        "BodyPartExamined": "CHEST",
        "PatientOrientation": None,
    }
    return with_pixels({**image(seed, "OT", description), **shared, **values}, made)


_GREY_SCALE: Final[Mapping[str, Value]] = {
    "RescaleIntercept": "0",
    "RescaleSlope": "1",
    "RescaleType": "US",
    "PresentationLUTShape": "IDENTITY",
}


def _nuclear(seed: int) -> Dataset:
    """Two planar frames of one detector (PS3.3 A.5)."""
    values = image(
        seed,
        "NM",
        "Planar emission",
        ImageType=["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"],
        BodyPartExamined="CHEST",
        **spatial(seed),
        PatientOrientationCodeSequence=sequence(
            CodeValue="102538003",
            CodingSchemeDesignator="SCT",
            CodeMeaning="recumbent",
            PatientOrientationModifierCodeSequence=coded("40199007", "supine"),
        ),
        PatientGantryRelationshipCodeSequence=coded("102540008", "headfirst"),
        FrameIncrementPointer=[0x00540010, 0x00540020],
        EnergyWindowVector=[1, 1],
        NumberOfEnergyWindows=1,
        DetectorVector=[1, 2],
        NumberOfDetectors=2,
        EnergyWindowInformationSequence=sequence(
            EnergyWindowName="Tc99m",
            EnergyWindowRangeSequence=sequence(
                EnergyWindowLowerLimit="126", EnergyWindowUpperLimit="154"
            ),
        ),
        RadiopharmaceuticalInformationSequence=sequence(
            RadionuclideCodeSequence=coded("72454003", "^99m^Technetium"),
            RadiopharmaceuticalStartTime="",
            Radiopharmaceutical="",
        ),
        DetectorInformationSequence=[
            *sequence(CollimatorType="PARA", FocalDistance="0", ImageOrientationPatient=_FACE,
                      ImagePositionPatient=["0", "0", "0"]),
            *sequence(CollimatorType="PARA", FocalDistance="0", ImageOrientationPatient=_FACE,
                      ImagePositionPatient=["0", "100", "0"]),
        ],
        ActualFrameDuration="1000",
        CountsAccumulated="10000",
        AcquisitionTerminationCondition="TIME",
        PixelSpacing=["4", "4"],
        PatientOrientation=None,
    )  # fmt: skip
    return with_pixels(values, grey(seed, frames=2, bits=16))


_FACE: Final = ["1", "0", "0", "0", "0", "-1"]


def _ophthalmic(seed: int, bits: int) -> Dataset:
    values = image(
        seed,
        "OP",
        "Fundus photograph",
        ImageType=["ORIGINAL", "PRIMARY"],
        PatientOrientation=["L", "F"],
        NumberOfFrames=1,
        ImageLaterality="L",
        SynchronizationFrameOfReferenceUID=uid(seed, "synchronization"),
        SynchronizationTrigger="NO TRIGGER",
        AcquisitionTimeSynchronized="N",
        AnatomicRegionSequence=coded("5665001", "Retina"),
        AcquisitionDateTime="20240115093500",
        PixelSpacing=["0.01", "0.01"],
        PresentationLUTShape="IDENTITY",
        AcquisitionDeviceTypeCodeSequence=coded("409898007", "Fundus Camera"),
        IlluminationTypeCodeSequence=[],
        LightPathFilterTypeStackCodeSequence=[],
        ImagePathFilterTypeStackCodeSequence=[],
        LensesCodeSequence=[],
        DetectorType=None,
        PatientEyeMovementCommanded=None,
        HorizontalFieldOfView=None,
        EmmetropicMagnification=None,
        RefractiveStateSequence=[],
        IntraOcularPressure=None,
        PupilDilated=None,
        AcquisitionContextSequence=[],
        FrameIncrementPointer=0x00181063,
        FrameTime="0",
    )
    return with_pixels(values, grey(seed, bits=bits))


def _ultrasound(seed: int, frames: int, *, is_retired: bool = False) -> Dataset:
    values = image(seed, "US", "Ultrasound", BodyPartExamined="ABDOMEN")
    if frames > 1:
        values |= {"FrameIncrementPointer": 0x00181063, "FrameTime": "40"}
    made = with_pixels(values, colour(seed, frames=frames))
    if not is_retired:
        made.UltrasoundColorDataPresent = 1
    return made


def _visible(seed: int, modality: str, description: str, frames: int = 1) -> Dataset:
    """Endoscopy, microscopy, photography, video (PS3.3 A.32)."""
    values = image(
        seed,
        modality,
        description,
        PatientOrientation=None,
        AcquisitionContextSequence=[],
        AnatomicRegionSequence=coded("69536005", "Head"),
    )
    if frames > 1:
        values |= {
            "FrameIncrementPointer": 0x00181063,
            "FrameTime": "40",
            "CineRate": "25",
        }
    return with_pixels(values, colour(seed, frames=frames))


def _angiogram(seed: int, modality: str, description: str) -> Dataset:
    values = image(
        seed,
        modality,
        description,
        ImageType=["ORIGINAL", "PRIMARY", "SINGLE PLANE"],
        PatientOrientation=None,
        BodyPartExamined="HEART",
        PixelIntensityRelationship="LOG",
        KVP="70",
        RadiationSetting="GR",
        Exposure="10",
        FrameTime="66",
        FrameIncrementPointer=0x00181063,
        RescaleIntercept="0",
        RescaleSlope="1",
        RescaleType="US",
    )
    if modality == "XA":
        values |= {
            "PositionerMotion": "STATIC",
            "PositionerPrimaryAngle": "0",
            "PositionerSecondaryAngle": "0",
        }
    return with_pixels(values, grey(seed, frames=3, bits=8))


def _enhanced_x_ray(seed: int, modality: str, description: str) -> Dataset:
    """Three frames of one plane with functional groups (PS3.3 A.47, A.48)."""
    organization = uid(seed, "storage", description, "dimensions")
    shared = dataset(
        {
            "FramePixelDataPropertiesSequence": sequence(
                FrameType=["ORIGINAL", "PRIMARY", "SINGLE PLANE", "NONE"],
                ImageProcessingApplied="NONE",
                ImagerPixelSpacing=["0.3", "0.3"],
                PixelIntensityRelationship="LOG",
                PixelIntensityRelationshipSign=1,
                GeometricalProperties="UNIFORM",
            ),
            "IrradiationEventIdentificationSequence": sequence(
                IrradiationEventUID=uid(seed, "storage", description, "event")
            ),
            "FrameAnatomySequence": sequence(
                FrameLaterality="U", AnatomicRegionSequence=coded("80891009", "Heart")
            ),
            "FrameVOILUTSequence": sequence(WindowCenter="128", WindowWidth="256"),
            "PositionerPositionSequence": [Dataset()],
            "TablePositionSequence": sequence(
                TableTopVerticalPosition="0",
                TableTopLongitudinalPosition="0",
                TableTopLateralPosition="0",
                TableHorizontalRotationAngle=0.0,
                TableHeadTiltAngle=0.0,
                TableCradleTiltAngle=0.0,
            ),
            "CollimatorShapeSequence": sequence(
                CollimatorShape="RECTANGULAR",
                CollimatorLeftVerticalEdge="1",
                CollimatorRightVerticalEdge="32",
                CollimatorUpperHorizontalEdge="1",
                CollimatorLowerHorizontalEdge="24",
            ),
        }
    )
    frames = [
        dataset(
            {
                "FrameContentSequence": sequence(
                    FrameAcquisitionNumber=1,
                    FrameReferenceDateTime="20240115093500",
                    FrameAcquisitionDateTime="20240115093500",
                    FrameAcquisitionDuration=10.0,
                    DimensionIndexValues=[number],
                )
            }
        )
        for number in (1, 2, 3)
    ]
    values = image(
        seed,
        modality,
        description,
        ImageType=["ORIGINAL", "PRIMARY", "SINGLE PLANE", "NONE"],
        BodyPartExamined="HEART",
        AcquisitionNumber=1,
        AcquisitionDateTime="20240115093500",
        AcquisitionContextSequence=[],
        ContentQualification="RESEARCH",
        PatientOrientation=None,
        PlanesInAcquisition="SINGLE PLANE",
        PlaneIdentification="MONOPLANE",
        PresentationLUTShape="IDENTITY",
        KVP="70",
        RadiationSetting="GR",
        XRayTubeCurrentInmA=100.0,
        ExposureTimeInms=10.0,
        ExposureInmAs=1.0,
        AcquisitionDuration=0.2,
        AveragePulseWidth="5",
        RadiationMode="PULSED",
        DistanceReceptorPlaneToDetectorHousing=None,
        PositionerType=None,
        AcquiredImageAreaDoseProduct=None,
        DimensionOrganizationSequence=sequence(DimensionOrganizationUID=organization),
        DimensionIndexSequence=sequence(
            DimensionOrganizationUID=organization,
            DimensionIndexPointer=0x00209156,
            FunctionalGroupPointer=0x00209111,
        ),
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
    )
    for absent in ("PatientOrientation", "AcquisitionDate", "AcquisitionTime"):
        del values[absent]
    return with_pixels(values, grey(seed, frames=3, bits=8))


def _first(seed: int, make: Callable[..., object], **options: int) -> Dataset:
    """Return the first instance of a phantom series."""
    made = next(make(seed=seed, **options))  # type: ignore[call-overload]  # all yield data sets
    assert isinstance(made, Dataset)
    return made


MAKERS: Final[Mapping[str, Callable[[int], Dataset]]] = {
    _ROOT + "2": partial(_first, make=thorax_ct, slices=1, rows=32),
    _ROOT + "2.1": partial(_first, make=enhanced_ct, slices=3, rows=32),
    _ROOT + "4": partial(_first, make=head_mr, slices=1, rows=32),
    _ROOT + "128": partial(_first, make=thorax_pet, slices=1, rows=32),
    _ROOT + "1": _computed_radiography,
    _ROOT + "1.1": partial(_x_ray, is_for_presentation=True),
    _ROOT + "1.1.1": partial(_x_ray, is_for_presentation=False),
    _ROOT + "1.2": partial(_mammogram, is_for_presentation=True),
    _ROOT + "1.2.1": partial(_mammogram, is_for_presentation=False),
    _ROOT + "1.3": partial(_intra_oral, is_for_presentation=True),
    _ROOT + "1.3.1": partial(_intra_oral, is_for_presentation=False),
    _ROOT + "7": _secondary,
    _ROOT + "7.1": lambda seed: _multi_frame(seed, "Single bits", single_bits(seed, 3)),
    _ROOT + "7.2": lambda seed: _multi_frame(
        seed, "Grey bytes", grey(seed, frames=3, bits=8), **_GREY_SCALE
    ),
    _ROOT + "7.3": lambda seed: _multi_frame(
        seed, "Grey words", grey(seed, frames=3, bits=12), **_GREY_SCALE
    ),
    _ROOT + "7.4": lambda seed: _multi_frame(seed, "Colour", colour(seed, frames=3)),
    _ROOT + "20": _nuclear,
    _ROOT + "77.1.5.1": partial(_ophthalmic, bits=8),
    _ROOT + "77.1.5.2": partial(_ophthalmic, bits=16),
    _ROOT + "6": partial(_ultrasound, frames=1, is_retired=True),
    _ROOT + "6.1": partial(_ultrasound, frames=1),
    _ROOT + "3": partial(_ultrasound, frames=3, is_retired=True),
    _ROOT + "3.1": partial(_ultrasound, frames=3),
    _ROOT + "77.1.1": partial(_visible, modality="ES", description="Endoscopy"),
    _ROOT + "77.1.2": partial(_visible, modality="GM", description="Microscopy"),
    _ROOT + "77.1.4": partial(_visible, modality="XC", description="Photograph"),
    _ROOT + "77.1.1.1": partial(_visible, modality="ES", description="Video endoscopy", frames=3),
    _ROOT + "12.1.1": partial(_enhanced_x_ray, modality="XA", description="Enhanced angiogram"),
    _ROOT + "12.2.1": partial(_enhanced_x_ray, modality="XA", description="Enhanced fluoroscopy"),
    _ROOT + "12.1": partial(_angiogram, modality="XA", description="Angiogram"),
    _ROOT + "12.2": partial(_angiogram, modality="RF", description="Fluoroscopy"),
}
