"""PET of the thorax."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from pydicom import Dataset

from dicomlab.phantoms import _noise
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
)
from dicomlab.phantoms._thorax import FIELD_OF_VIEW_MM, thorax

WEIGHT_KG = 75
DOSE_BQ = 350_000_000
HALF_LIFE_S = 6586.2
UPTAKE_S = 3600
"""From the injection to the start of the series: 08:35:00 to 09:35:00."""
FRAME_DURATION_S = 180
_RESOLUTION_MM = 6.0
_LARGEST = 32767


def bqml_per_suvbw() -> float:
    """Return the activity concentration, Bq/ml, of a voxel of SUVbw 1 g/ml.

    The dose that is left at the start of the series, spread over the body:
    ``dose * 2 ** (-uptake / half life) / weight``, with 1 kg = 1000 g. Rounded to 9 decimals, so
    that the last bit of the C library's power function does not matter.
    """
    left_bq = DOSE_BQ * 2.0 ** (-UPTAKE_S / HALF_LIFE_S)
    return float(round(left_bq / (WEIGHT_KG * 1000), 9))


def thorax_pet(
    *,
    seed: int = 0,
    slices: int = 60,
    rows: int = 128,
    columns: int | None = None,
    spacing_mm: Triple | None = None,
    noise: float = 0.04,
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
    **attributes: Value,
) -> Iterator[Dataset]:
    """Make the FDG PET that goes with `thorax_ct` of the same seed (PS3.3 A.21).

    Same patient, study and frame of reference, another grid. Units are BQML, decay corrected to the
    start of the series, and every slice has its own Rescale Slope, as scanners write it. So::

        activity = stored * RescaleSlope                                        Bq/ml
        left     = RadionuclideTotalDose * 2 ** (-(SeriesTime - start) / half life)     Bq
        SUVbw    = activity * PatientWeight * 1000 / left                       g/ml

    and at the centre of the lesion (`thorax_lesion`) SUVbw is its ``suvbw``, 8.0, to within half a
    Rescale Slope where `noise` is 0.

    Parameters
    ----------
    seed, slices, rows, columns, spacing_mm, transfer_syntax_uid, **attributes
        As in `thorax_ct`.
    noise
        Standard deviation of the noise as a share of the activity, 0 for none.

    Raises
    ------
    ValueError
        A size or spacing that cannot be, or an unknown keyword.
    UnsupportedError
        Phantoms are not made in that transfer syntax.
    """
    stack = Stack.filling((slices, rows, columns or rows), spacing_mm, FIELD_OF_VIEW_MM)
    check_keywords(attributes)
    return _instances(stack, seed, noise, transfer_syntax_uid, attributes)


def _radiopharmaceutical() -> Dataset:
    return dataset(
        {
            "Radiopharmaceutical": "Fluorodeoxyglucose F^18^",
            "RadiopharmaceuticalRoute": "Intravenous route",
            "RadiopharmaceuticalStartTime": "083500",
            "RadiopharmaceuticalStartDateTime": "20240115083500",
            "RadionuclideTotalDose": str(DOSE_BQ),
            "RadionuclideHalfLife": decimal(HALF_LIFE_S),
            "RadionuclidePositronFraction": "0.967",
            "RadionuclideCodeSequence": [code("77004003", "^18^Fluorine")],
            "RadiopharmaceuticalCodeSequence": [code("35321007", "Fluorodeoxyglucose F^18^")],
        }
    )


def _shared(stack: Stack, seed: int, noise: float) -> Dataset:
    decay_rate = 0.6931471805599453 / HALF_LIFE_S
    # In so short a frame the average decay is that of its middle (PS3.3 C.8.9.4.1.5).
    reference_s = FRAME_DURATION_S / 2
    return dataset(
        {
            **common(
                seed, "Thorax", "PT", "FDG attenuation corrected", 3, made_with=(stack.key, noise)
            ),
            **pixels(np.empty(stack.shape[1:], np.int16)),
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.128",
            "ImageType": ["ORIGINAL", "PRIMARY"],
            "BodyPartExamined": "CHEST",
            "PatientOrientationCodeSequence": [_supine()],
            "PatientGantryRelationshipCodeSequence": [code("102540008", "headfirst")],
            "RadiopharmaceuticalInformationSequence": [_radiopharmaceutical()],
            "Units": "BQML",
            "SUVType": "BW",
            "CountsSource": "EMISSION",
            "SeriesType": ["STATIC", "IMAGE"],
            "NumberOfSlices": stack.shape[0],
            "CorrectedImage": ["DECY", "ATTN", "SCAT", "DTIM", "RAN", "NORM"],
            "DecayCorrection": "START",
            "CollimatorType": "NONE",
            "RandomsCorrectionMethod": "DLYD",
            "AttenuationCorrectionMethod": "measured, CT",
            "ScatterCorrectionMethod": "model",
            "ReconstructionMethod": "painted",
            "ActualFrameDuration": str(FRAME_DURATION_S * 1000),
            "FrameReferenceTime": decimal(reference_s * 1000),
            "DecayFactor": f"{1 + decay_rate * reference_s:.4f}",
            "SliceThickness": decimal(stack.spacing_mm[0]),
            "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
            "PixelSpacing": decimals(stack.spacing_mm[1:]),
            "RescaleIntercept": "0",
        }
    )


def _supine() -> Dataset:
    recumbent = code("102538003", "recumbent")
    recumbent.PatientOrientationModifierCodeSequence = [code("40199007", "supine")]
    return recumbent


def _instances(
    stack: Stack,
    seed: int,
    noise: float,
    transfer_syntax_uid: str,
    attributes: Mapping[str, Value],
) -> Iterator[Dataset]:
    shared = _shared(stack, seed, noise)
    edge_mm = max(_RESOLUTION_MM, *stack.spacing_mm[1:])
    x, y, _ = stack.first_centre
    for number in range(stack.shape[0]):
        z = stack.z(number)
        activity = thorax(seed).uptake(stack.x, stack.y, z, edge_mm=edge_mm).astype(np.float64)
        if noise:
            source = _noise.stream(seed, 3, number)
            activity *= 1 + noise * _noise.grain(source, *activity.shape).astype(np.float64)
        activity *= bqml_per_suvbw()
        rescale_slope = decimal(max(float(activity.max()), 1.0) / _LARGEST)
        stored = np.rint(activity / float(rescale_slope)).clip(0, _LARGEST).astype(np.int16)
        own = {
            "InstanceNumber": number + 1,
            "ImageIndex": number + 1,
            "ImagePositionPatient": decimals((x, y, z)),
            "SliceLocation": decimal(z),
            "RescaleSlope": rescale_slope,
            "WindowCenter": decimal(round(4 * bqml_per_suvbw(), 2)),
            "WindowWidth": decimal(round(8 * bqml_per_suvbw(), 2)),
        }
        yield instance(
            shared, own, stored, transfer_syntax_uid=transfer_syntax_uid, attributes=attributes
        )
