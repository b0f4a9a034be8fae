"""Phantoms of radiotherapy storage classes (PS3.3 A.17 to A.32)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from pydicom import Dataset

from dicomlab.phantoms._instances import Value, dataset, decimals, uid
from dicomlab.phantoms._storage_base import base, grey, image, sequence, spatial, with_pixels

_ROOT = "1.2.840.10008.5.1.4.1.1.481."
_STUDY_COMPONENT = "1.2.840.10008.3.1.2.3.1"
_CT = "1.2.840.10008.5.1.4.1.1.2"


def _plan_reference(seed: int) -> Dataset:
    return dataset(
        {
            "ReferencedSOPClassUID": _ROOT + "5",
            "ReferencedSOPInstanceUID": uid(seed, "storage", _ROOT + "5", "instance"),
        }
    )


def _set_reference(seed: int) -> Dataset:
    return dataset(
        {
            "ReferencedSOPClassUID": _ROOT + "3",
            "ReferencedSOPInstanceUID": uid(seed, "storage", _ROOT + "3", "instance"),
        }
    )


def _therapy(seed: int, modality: str, description: str, **values: Value) -> dict[str, Value]:
    """Return what RT objects have: an RT series knows no body part (PS3.3 C.8.8.1)."""
    found = base(seed, modality, description, OperatorsName="", **values)
    for keyword in ("ContentDate", "ContentTime"):
        del found[keyword]
    return found


def _structure_set(seed: int) -> Dataset:
    """Return a cube of 20 mm in three contours."""
    frame = spatial(seed)
    picture = dataset(
        {
            "ReferencedSOPClassUID": _CT,
            "ReferencedSOPInstanceUID": uid(seed, "storage", _CT, "instance"),
        }
    )
    corners = ((-10.0, -10.0), (10.0, -10.0), (10.0, 10.0), (-10.0, 10.0))
    contours = [
        dataset(
            {
                "ContourGeometricType": "CLOSED_PLANAR",
                "NumberOfContourPoints": 4,
                "ContourData": decimals([n for x, y in corners for n in (x, y, z)]),
            }
        )
        for z in (-10.0, 0.0, 10.0)
    ]
    study = dataset(
        {
            "ReferencedSOPClassUID": _STUDY_COMPONENT,
            "ReferencedSOPInstanceUID": uid(seed, "Storage"),
            "RTReferencedSeriesSequence": sequence(
                SeriesInstanceUID=uid(seed, "storage", _CT), ContourImageSequence=[picture]
            ),
        }
    )
    uid_of_frame = frame["FrameOfReferenceUID"]
    return dataset(
        _therapy(
            seed,
            "RTSTRUCT",
            "Structure set",
            **frame,
            StructureSetLabel="CUBE",
            StructureSetDate="20240115",
            StructureSetTime="100000",
            ReferencedFrameOfReferenceSequence=sequence(
                FrameOfReferenceUID=uid_of_frame, RTReferencedStudySequence=[study]
            ),
            StructureSetROISequence=sequence(
                ROINumber=1,
                ReferencedFrameOfReferenceUID=uid_of_frame,
                ROIName="Cube",
                ROIGenerationAlgorithm="MANUAL",
            ),
            ROIContourSequence=sequence(
                ROIDisplayColor=[255, 0, 0], ContourSequence=contours, ReferencedROINumber=1
            ),
            RTROIObservationsSequence=sequence(
                ObservationNumber=1,
                ReferencedROINumber=1,
                RTROIInterpretedType="PTV",
                ROIInterpreter="",
            ),
            ApprovalStatus="UNAPPROVED",
        )
    )


def _dose(seed: int) -> Dataset:
    """Five planes whose dose rises by 0.1 Gy a column."""
    stored = np.broadcast_to(np.arange(32, dtype="<u4") * 100, (5, 24, 32))
    values = _therapy(
        seed,
        "RTDOSE",
        "Dose",
        **spatial(seed),
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=24,
        Columns=32,
        BitsAllocated=32,
        BitsStored=32,
        HighBit=31,
        PixelRepresentation=0,
        NumberOfFrames=5,
        FrameIncrementPointer=0x3004000C,
        ImagePositionPatient=["-31", "-23", "-8"],
        ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
        PixelSpacing=["2", "2"],
        SliceThickness="",
        DoseUnits="GY",
        DoseType="PHYSICAL",
        DoseSummationType="PLAN",
        GridFrameOffsetVector=["0", "4", "8", "12", "16"],
        DoseGridScaling="0.001",
        TissueHeterogeneityCorrection="IMAGE",
        ReferencedRTPlanSequence=[_plan_reference(seed)],
    )
    made = dataset(values)
    made.add_new(0x7FE00010, "OW", stored.tobytes())
    return made


def _point(index: int, **values: Value) -> Dataset:
    return dataset({"ControlPointIndex": index, "CumulativeMetersetWeight": str(index), **values})


def _plan(seed: int) -> Dataset:
    """One static beam of photons."""
    beam = dataset(
        {
            "BeamNumber": 1,
            "BeamName": "AP",
            "BeamType": "STATIC",
            "RadiationType": "PHOTON",
            "TreatmentMachineName": "PHANTOM",
            "PrimaryDosimeterUnit": "MU",
            "SourceAxisDistance": "1000",
            "BeamLimitingDeviceSequence": [
                *sequence(RTBeamLimitingDeviceType="X", NumberOfLeafJawPairs=1),
                *sequence(RTBeamLimitingDeviceType="Y", NumberOfLeafJawPairs=1),
            ],
            "TreatmentDeliveryType": "TREATMENT",
            "NumberOfWedges": 0,
            "NumberOfCompensators": 0,
            "NumberOfBoli": 0,
            "NumberOfBlocks": 0,
            "FinalCumulativeMetersetWeight": "1",
            "NumberOfControlPoints": 2,
            "ControlPointSequence": [
                _point(
                    0,
                    NominalBeamEnergy="6",
                    BeamLimitingDevicePositionSequence=[
                        *sequence(RTBeamLimitingDeviceType="X", LeafJawPositions=["-50", "50"]),
                        *sequence(RTBeamLimitingDeviceType="Y", LeafJawPositions=["-50", "50"]),
                    ],
                    GantryAngle="0",
                    GantryRotationDirection="NONE",
                    BeamLimitingDeviceAngle="0",
                    BeamLimitingDeviceRotationDirection="NONE",
                    PatientSupportAngle="0",
                    PatientSupportRotationDirection="NONE",
                    TableTopEccentricAngle="0",
                    TableTopEccentricRotationDirection="NONE",
                    TableTopVerticalPosition="",
                    TableTopLongitudinalPosition="",
                    TableTopLateralPosition="",
                    IsocenterPosition=["0", "0", "0"],
                ),
                _point(1),
            ],
        }
    )
    return dataset(
        _therapy(
            seed,
            "RTPLAN",
            "Plan",
            **spatial(seed),
            RTPlanLabel="PLAN",
            RTPlanDate="20240115",
            RTPlanTime="100000",
            RTPlanGeometry="PATIENT",
            FractionGroupSequence=sequence(
                FractionGroupNumber=1,
                NumberOfFractionsPlanned=20,
                NumberOfBeams=1,
                NumberOfBrachyApplicationSetups=0,
                ReferencedBeamSequence=sequence(ReferencedBeamNumber=1, BeamMeterset="100"),
            ),
            BeamSequence=[beam],
            PatientSetupSequence=sequence(PatientSetupNumber=1, PatientPosition="HFS"),
            ReferencedStructureSetSequence=[_set_reference(seed)],
            ApprovalStatus="UNAPPROVED",
        )
    )


def _image(seed: int) -> Dataset:
    values = image(
        seed,
        "RTIMAGE",
        "Portal image",
        ImageType=["ORIGINAL", "PRIMARY", "PORTAL"],
        PatientOrientation=None,
        OperatorsName="",
        RTImageLabel="PORTAL",
        ConversionType="DI",
        ReportedValuesOrigin="ACTUAL",
        RTImagePlane="NORMAL",
        XRayImageReceptorTranslation="",
        XRayImageReceptorAngle="",
        ImagePlanePixelSpacing=["1", "1"],
        RTImagePosition=["-16", "12"],
        RadiationMachineName="PHANTOM",
        RadiationMachineSAD="1000",
        RTImageSID="1500",
        PrimaryDosimeterUnit="MU",
        GantryAngle="0",
        BeamLimitingDeviceAngle="0",
        PatientSupportAngle="0",
        TableTopEccentricAngle="0",
        TableTopVerticalPosition="",
        TableTopLongitudinalPosition="",
        TableTopLateralPosition="",
    )
    return with_pixels(values, grey(seed, bits=16))


def _record(seed: int, description: str, **values: Value) -> Dataset:
    return dataset(
        _therapy(
            seed,
            "RTRECORD",
            description,
            TreatmentDate="20240115",
            TreatmentTime="100000",
            ReferencedRTPlanSequence=[_plan_reference(seed)],
            **values,
        )
    )


def _machine() -> list[Dataset]:
    return sequence(
        TreatmentMachineName="PHANTOM",
        Manufacturer="dicomlab",
        InstitutionName="",
        ManufacturerModelName="",
        DeviceSerialNumber="",
    )


def _beams_record(seed: int) -> Dataset:
    session = dataset(
        {
            "ReferencedBeamNumber": 1,
            "BeamName": "AP",
            "BeamType": "STATIC",
            "RadiationType": "PHOTON",
            "CurrentFractionNumber": 1,
            "TreatmentDeliveryType": "TREATMENT",
            "TreatmentTerminationStatus": "NORMAL",
            "TreatmentVerificationStatus": "",
            "NumberOfWedges": 0,
            "NumberOfCompensators": 0,
            "NumberOfBoli": 0,
            "NumberOfBlocks": 0,
            "NumberOfControlPoints": 1,
            "BeamLimitingDeviceLeafPairsSequence": sequence(
                RTBeamLimitingDeviceType="X", NumberOfLeafJawPairs=1
            ),
            "ControlPointDeliverySequence": sequence(
                ReferencedControlPointIndex=0,
                TreatmentControlPointDate="20240115",
                TreatmentControlPointTime="100000",
                SpecifiedMeterset="100",
                DeliveredMeterset="100",
                NominalBeamEnergy="6",
                NominalBeamEnergyUnit="MV",
                DoseRateSet="",
                DoseRateDelivered="",
                GantryAngle="0",
                GantryRotationDirection="NONE",
                BeamLimitingDeviceAngle="0",
                BeamLimitingDeviceRotationDirection="NONE",
                PatientSupportAngle="0",
                PatientSupportRotationDirection="NONE",
                TableTopEccentricAngle="0",
                TableTopEccentricRotationDirection="NONE",
                TableTopVerticalPosition="",
                TableTopLongitudinalPosition="",
                TableTopLateralPosition="",
            ),
        }
    )
    return _record(
        seed,
        "Beams treatment record",
        TreatmentMachineSequence=_machine(),
        PrimaryDosimeterUnit="MU",
        ReferencedFractionGroupNumber=1,
        NumberOfFractionsPlanned=20,
        TreatmentSessionBeamSequence=[session],
    )


def _brachy_record(seed: int) -> Dataset:
    channel = dataset(
        {
            "ChannelNumber": 1,
            "SpecifiedChannelTotalTime": "60",
            "DeliveredChannelTotalTime": "60",
            "SourceMovementType": "STEPWISE",
            "ChannelLength": "",
            "TransferTubeNumber": "",
            "ReferencedSourceNumber": 1,
            "SafePositionExitDate": "20240115",
            "SafePositionExitTime": "100000",
            "SafePositionReturnDate": "20240115",
            "SafePositionReturnTime": "100100",
            "NumberOfControlPoints": 2,
            "BrachyControlPointDeliveredSequence": [
                dataset(
                    {
                        "ReferencedControlPointIndex": number,
                        "TreatmentControlPointDate": "20240115",
                        "TreatmentControlPointTime": time,
                        "ControlPointRelativePosition": "0",
                    }
                )
                for number, time in enumerate(("100000", "100100"))
            ],
        }
    )
    session = dataset(
        {
            "ReferencedBrachyApplicationSetupNumber": 1,
            "ApplicationSetupType": "OESOPHAGEAL",
            "TotalReferenceAirKerma": "670",
            "CurrentFractionNumber": 1,
            "TreatmentDeliveryType": "TREATMENT",
            "TreatmentTerminationStatus": "NORMAL",
            "TreatmentVerificationStatus": "",
            "RecordedChannelSequence": [channel],
        }
    )
    return _record(
        seed,
        "Brachy treatment record",
        TreatmentMachineSequence=_machine(),
        RecordedSourceSequence=sequence(
            SourceNumber=1,
            SourceType="POINT",
            SourceManufacturer="",
            SourceSerialNumber="",
            SourceIsotopeName="Ir192",
            SourceIsotopeHalfLife="73.8",
            ReferenceAirKermaRate="40000",
            SourceStrengthReferenceDate="20240115",
            SourceStrengthReferenceTime="080000",
        ),
        BrachyTreatmentTechnique="INTRACAVITARY",
        BrachyTreatmentType="HDR",
        ReferencedFractionGroupNumber=1,
        NumberOfFractionsPlanned=4,
        TreatmentSessionApplicationSetupSequence=[session],
    )


def _summary(seed: int) -> Dataset:
    return _record(
        seed,
        "Treatment summary",
        CurrentTreatmentStatus="ON_TREATMENT",
        TreatmentStatusComment="",
        FirstTreatmentDate="20240108",
        MostRecentTreatmentDate="20240115",
    )


MAKERS: Final[Mapping[str, Callable[[int], Dataset]]] = {
    _ROOT + "1": _image,
    _ROOT + "2": _dose,
    _ROOT + "3": _structure_set,
    _ROOT + "4": _beams_record,
    _ROOT + "5": _plan,
    _ROOT + "6": _brachy_record,
    _ROOT + "7": _summary,
}
