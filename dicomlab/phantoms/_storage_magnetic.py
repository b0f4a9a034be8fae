"""Phantom of enhanced MR (PS3.3 A.36)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pydicom import Dataset

from dicomlab.phantoms._instances import Value, dataset, decimals, uid
from dicomlab.phantoms._storage_base import coded, grey, image, sequence, spatial, with_pixels

_ROOT = "1.2.840.10008.5.1.4.1.1."
_ACQUIRED: Final = "20240115093500"


def _shared() -> Dataset:
    kind = ["ORIGINAL", "PRIMARY", "T1", "NONE"]
    groups: dict[str, Value] = {
        "PixelMeasuresSequence": sequence(PixelSpacing=["2", "2"], SliceThickness="4"),
        "PlaneOrientationSequence": sequence(
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"]
        ),
        "FrameAnatomySequence": sequence(
            FrameLaterality="U", AnatomicRegionSequence=coded("69536005", "Head")
        ),
        "MRTimingAndRelatedParametersSequence": sequence(
            RepetitionTime="500", FlipAngle="90", EchoTrainLength="1", RFEchoTrainLength=1,
            GradientEchoTrainLength=0, SpecificAbsorptionRateSequence=sequence(
                SpecificAbsorptionRateDefinition="IEC_HEAD", SpecificAbsorptionRateValue=0.5),
            GradientOutputType="DB_DT", GradientOutput=1.0,
            OperatingModeSequence=sequence(
                OperatingModeType="STATIC FIELD", OperatingMode="IEC_NORMAL"),
        ),
    }  # fmt: skip
    groups |= {
        "FrameVOILUTSequence": sequence(WindowCenter="2048", WindowWidth="4096"),
        "PixelValueTransformationSequence": sequence(
            RescaleIntercept="0", RescaleSlope="1", RescaleType="US"
        ),
        "MRImageFrameTypeSequence": sequence(
            FrameType=kind, PixelPresentation="MONOCHROME", VolumetricProperties="VOLUME",
            VolumeBasedCalculationTechnique="NONE", ComplexImageComponent="MAGNITUDE",
            AcquisitionContrast="T1",
        ),
        "MRFOVGeometrySequence": sequence(
            InPlanePhaseEncodingDirection="ROW", MRAcquisitionFrequencyEncodingSteps=32,
            MRAcquisitionPhaseEncodingStepsInPlane=24, PercentSampling="100",
            PercentPhaseFieldOfView="100",
        ),
        "MREchoSequence": sequence(EffectiveEchoTime=15.0),
        "MRModifierSequence": sequence(
            InversionRecovery="NO", FlowCompensation="NONE", Spoiling="NONE", T2Preparation="NO",
            SpectrallySelectedExcitation="NONE", SpatialPresaturation="NONE",
            PartialFourier="NO", ParallelAcquisition="NO",
        ),
        "MRImagingModifierSequence": sequence(
            MagnetizationTransfer="NONE", BloodSignalNulling="NO", Tagging="NONE",
            TransmitterFrequency=63.8, PixelBandwidth="130",
        ),
        "MRReceiveCoilSequence": sequence(
            ReceiveCoilName="HEAD", ReceiveCoilManufacturerName="", ReceiveCoilType="VOLUME",
            QuadratureReceiveCoil="YES",
        ),
        "MRTransmitCoilSequence": sequence(
            TransmitCoilName="BODY", TransmitCoilManufacturerName="", TransmitCoilType="BODY",
        ),
        "MRAveragesSequence": sequence(NumberOfAverages="1"),
    }  # fmt: skip
    return dataset(groups)


def _frame(number: int) -> Dataset:
    return dataset(
        {
            "FrameContentSequence": sequence(
                FrameAcquisitionNumber=1,
                FrameReferenceDateTime=_ACQUIRED,
                FrameAcquisitionDateTime=_ACQUIRED,
                FrameAcquisitionDuration=500.0,
                StackID="1",
                InStackPositionNumber=number,
                DimensionIndexValues=[1, number],
            ),
            "PlanePositionSequence": sequence(
                ImagePositionPatient=decimals((-31.0, -23.0, 4.0 * number))
            ),
        }
    )


def _magnetic(seed: int, description: str, frames: int, **values: Value) -> dict[str, Value]:
    organization = uid(seed, "storage", description, "dimensions")
    found = image(
        seed,
        "MR",
        description,
        **spatial(seed),
        BodyPartExamined="HEAD",
        PatientPosition="HFS",
        AcquisitionNumber=1,
        AcquisitionDateTime=_ACQUIRED,
        AcquisitionDuration=1500.0,
        AcquisitionContextSequence=[],
        ContentQualification="RESEARCH",
        ResonantNucleus="1H",
        KSpaceFiltering="NONE",
        MagneticFieldStrength="1.5",
        ApplicableSafetyStandardAgency="IEC",
        PulseSequenceName="SE",
        MRAcquisitionType="2D",
        DimensionOrganizationSequence=sequence(DimensionOrganizationUID=organization),
        DimensionIndexSequence=[
            dataset(
                {
                    "DimensionOrganizationUID": organization,
                    "DimensionIndexPointer": pointer,
                    "FunctionalGroupPointer": 0x00209111,
                }
            )
            for pointer in (0x00209056, 0x00209057)
        ],
        PerFrameFunctionalGroupsSequence=[_frame(number + 1) for number in range(frames)],
    )
    for absent in ("AcquisitionDate", "AcquisitionTime", "PatientOrientation"):
        del found[absent]
    return {**found, **values}


def _enhanced(seed: int) -> Dataset:
    values = _magnetic(
        seed,
        "Enhanced MR",
        3,
        ImageType=["ORIGINAL", "PRIMARY", "T1", "NONE"],
        PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
        ComplexImageComponent="MAGNITUDE",
        AcquisitionContrast="T1",
        EchoPulseSequence="SPIN",
        MultipleSpinEcho="NO",
        MultiPlanarExcitation="NO",
        PhaseContrast="NO",
        TimeOfFlightContrast="NO",
        SteadyStatePulseSequence="NONE",
        EchoPlanarPulseSequence="NO",
        SaturationRecovery="NO",
        SpectrallySelectedSuppression="NONE",
        OversamplingPhase="NONE",
        GeometryOfKSpaceTraversal="RECTILINEAR",
        RectilinearPhaseEncodeReordering="LINEAR",
        SegmentedKSpaceTraversal="SINGLE",
        NumberOfKSpaceTrajectories=1,
        PresentationLUTShape="IDENTITY",
        SharedFunctionalGroupsSequence=[_shared()],
    )
    return with_pixels(values, grey(seed, frames=3))


MAKERS: Final[Mapping[str, Callable[[int], Dataset]]] = {_ROOT + "4.1": _enhanced}
