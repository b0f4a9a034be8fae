"""Multi-frame objects with functional groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from pydicom import Dataset

from dicomlab.phantoms._ct import INTERCEPT, thorax_hu
from dicomlab.phantoms._encoding import EXPLICIT_VR_LITTLE_ENDIAN
from dicomlab.phantoms._grid import Stack, Triple
from dicomlab.phantoms._instances import (
    Value,
    check_keywords,
    code,
    common,
    dataset,
    decimal,
    decimals,
    instance,
    pixels,
    uid,
)
from dicomlab.phantoms._thorax import FIELD_OF_VIEW_MM

_ACQUIRED = "20240115093500"
_FRAME_KIND: Mapping[str, Value] = {
    "PixelPresentation": "MONOCHROME",
    "VolumetricProperties": "VOLUME",
    "VolumeBasedCalculationTechnique": "NONE",
}


def enhanced_ct(
    *,
    seed: int = 0,
    slices: int = 24,
    rows: int = 128,
    columns: int | None = None,
    spacing_mm: Triple | None = None,
    noise_hu: float = 12.0,
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
    **attributes: Value,
) -> Iterator[Dataset]:
    """Make the thorax as one Enhanced CT instance, all slices its frames (PS3.3 A.38.1).

    Values and places are those of `thorax_ct` with the same arguments, in the same study and frame
    of reference. Orientation, spacing and rescale are shared, positions stand in each frame; the
    dimensions are stack and position in it.

    Parameters
    ----------
    seed, slices, rows, columns, spacing_mm, noise_hu, transfer_syntax_uid, **attributes
        As in `thorax_ct`. All frames are in memory at once.

    Raises
    ------
    ValueError
        A size or spacing that cannot be, or an unknown keyword.
    UnsupportedError
        Phantoms are not made in that transfer syntax.
    """
    stack = Stack.filling((slices, rows, columns or rows), spacing_mm, FIELD_OF_VIEW_MM)
    check_keywords(attributes)
    return _instances(stack, seed, noise_hu, transfer_syntax_uid, attributes)


def _groups(**sequences: Mapping[str, Value]) -> Dataset:
    """Return functional groups, each a sequence of one item."""
    return dataset({keyword: [dataset(values)] for keyword, values in sequences.items()})


def _shared_groups(stack: Stack, series: Value) -> Dataset:
    return _groups(
        PixelMeasuresSequence={
            "PixelSpacing": decimals(stack.spacing_mm[1:]),
            "SliceThickness": decimal(stack.spacing_mm[0]),
        },
        PlaneOrientationSequence={"ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"]},
        FrameAnatomySequence={
            "FrameLaterality": "U",
            "AnatomicRegionSequence": [code("51185008", "Chest")],
        },
        FrameVOILUTSequence={"WindowCenter": "40", "WindowWidth": "400"},
        PixelValueTransformationSequence={
            "RescaleIntercept": str(INTERCEPT),
            "RescaleSlope": "1",
            "RescaleType": "HU",
        },
        CTImageFrameTypeSequence={
            "FrameType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
            **_FRAME_KIND,
        },
        CTAcquisitionTypeSequence={
            "AcquisitionType": "SPIRAL",
            "ConstantVolumeFlag": "NO",
            "FluoroscopyFlag": "NO",
        },
        CTAcquisitionDetailsSequence={
            "RotationDirection": "CW",
            "RevolutionTime": 0.5,
            "SingleCollimationWidth": 0.625,
            "TotalCollimationWidth": 40.0,
            "TableHeight": "150",
            "GantryDetectorTilt": "0",
            "DataCollectionDiameter": "500",
        },
        CTTableDynamicsSequence={
            "TableSpeed": 80.0,
            "TableFeedPerRotation": 40.0,
            "SpiralPitchFactor": 1.0,
        },
        CTGeometrySequence={
            "DistanceSourceToDetector": "950",
            "DistanceSourceToDataCollectionCenter": 540.0,
        },
        CTReconstructionSequence={
            "ReconstructionAlgorithm": "FILTER_BACK_PROJ",
            "ConvolutionKernel": "SOFT",
            "ConvolutionKernelGroup": "BODY",
            "ReconstructionDiameter": "400",
            "ReconstructionPixelSpacing": list(stack.spacing_mm[1:]),
            "ReconstructionAngle": 360.0,
            "ImageFilter": "NONE",
        },
        CTExposureSequence={
            "ExposureTimeInms": 500.0,
            "XRayTubeCurrentInmA": 200.0,
            "ExposureInmAs": 100.0,
            "ExposureModulationType": "NONE",
            "CTDIvol": 6.5,
            "CTDIPhantomTypeCodeSequence": [code("113691", "IEC Body Dosimetry Phantom", "DCM")],
        },
        CTXRayDetailsSequence={
            "KVP": "120",
            "FocalSpots": "1",
            "FilterType": "FLAT",
            "FilterMaterial": "ALUMINUM",
        },
        IrradiationEventIdentificationSequence={
            "IrradiationEventUID": uid(series, "irradiation event"),
        },
    )


def _frame_groups(stack: Stack, number: int) -> Dataset:
    x, y, _ = stack.first_centre
    z = stack.z(number)
    centre = [0.0, 0.0, z]
    return _groups(
        FrameContentSequence={
            "FrameAcquisitionNumber": 1,
            "FrameReferenceDateTime": _ACQUIRED,
            "FrameAcquisitionDateTime": _ACQUIRED,
            "FrameAcquisitionDuration": 500.0,
            "StackID": "1",
            "InStackPositionNumber": number + 1,
            "DimensionIndexValues": [1, number + 1],
        },
        PlanePositionSequence={"ImagePositionPatient": decimals((x, y, z))},
        CTPositionSequence={
            "TablePosition": -z,
            "DataCollectionCenterPatient": centre,
            "ReconstructionTargetCenterPatient": centre,
        },
    )


def _dimensions(series: Value) -> Mapping[str, Value]:
    """Return the Multi-frame Dimension module: stack, then position in it (PS3.3 C.7.6.17)."""
    organization = uid(series, "dimensions")

    def index(pointer: int, label: str) -> Dataset:
        return dataset(
            {
                "DimensionOrganizationUID": organization,
                "DimensionIndexPointer": pointer,
                "FunctionalGroupPointer": 0x00209111,
                "DimensionDescriptionLabel": label,
            }
        )

    return {
        "DimensionOrganizationType": "3D",
        "DimensionOrganizationSequence": [dataset({"DimensionOrganizationUID": organization})],
        "DimensionIndexSequence": [
            index(0x00209056, "Stack ID"),
            index(0x00209057, "In-Stack Position Number"),
        ],
    }


def _instances(
    stack: Stack,
    seed: int,
    noise_hu: float,
    transfer_syntax_uid: str,
    attributes: Mapping[str, Value],
) -> Iterator[Dataset]:
    frames = np.stack(
        [thorax_hu(stack, number, seed=seed, noise_hu=noise_hu) for number in range(stack.shape[0])]
    )
    described = common(seed, "Thorax", "CT", "Thorax as frames", 4, made_with=(stack.key, noise_hu))
    series = described["SeriesInstanceUID"]
    own = {
        **described,
        **pixels(frames, bits_stored=12),
        **_FRAME_KIND,
        **_dimensions(series),
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1",
        "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        "PatientPosition": "HFS",
        "InstanceNumber": 1,
        "AcquisitionNumber": 1,
        "AcquisitionDateTime": _ACQUIRED,
        "AcquisitionDuration": 4.0,
        "ContentQualification": "RESEARCH",
        "PresentationLUTShape": "IDENTITY",
        "AcquisitionContextSequence": [],
        "NumberOfFrames": frames.shape[0],
        "SharedFunctionalGroupsSequence": [_shared_groups(stack, series)],
        "PerFrameFunctionalGroupsSequence": [
            _frame_groups(stack, number) for number in range(stack.shape[0])
        ],
    }
    # Here the time of acquisition is one attribute, Acquisition DateTime (0008,002A).
    for absent in ("AcquisitionDate", "AcquisitionTime"):
        del own[absent]
    yield instance(
        Dataset(),
        own,
        frames,
        transfer_syntax_uid=transfer_syntax_uid,
        attributes=attributes,
    )
